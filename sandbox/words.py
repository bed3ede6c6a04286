"""The words the demo company is made of: names, places, goods, and what people write to a helpdesk.

Lists only; how they are drawn belongs in the modules that use them. Every person and firm made of them is fictional.
"""

from __future__ import annotations


def _listed(text: str) -> list[str]:
    return text.split()


COUNTRIES = ("DE", "AT", "CH", "FR", "NL", "GB")
COUNTRY_SHARE = (0.64, 0.11, 0.09, 0.06, 0.06, 0.04)
CURRENCY = {"DE": "EUR", "AT": "EUR", "CH": "CHF", "FR": "EUR", "NL": "EUR", "GB": "GBP"}
LANGUAGE = {"DE": "de", "AT": "de", "CH": "de", "FR": "fr", "NL": "nl", "GB": "en"}
TAX_PERMILLE = {"DE": 190, "AT": 200, "CH": 81, "FR": 200, "NL": 210, "GB": 200}
COUNTRY_NAME = {
    "DE": "Deutschland",
    "AT": "Österreich",
    "CH": "Schweiz",
    "FR": "Frankreich",
    "NL": "Niederlande",
    "GB": "Vereinigtes Königreich",
}
COUNTRY_ENGLISH = {
    "DE": "Germany",
    "AT": "Austria",
    "CH": "Switzerland",
    "FR": "France",
    "NL": "Netherlands",
    "GB": "United Kingdom",
}
COUNTRY_HABITS = {
    "DE": ("Deutschland", "Germany", "GERMANY", "Allemagne", "DEU", "de"),
    "AT": ("Österreich", "Austria", "Autriche", "AUT", "at"),
    "CH": ("Schweiz", "Switzerland", "Suisse", "CHE", "ch"),
    "FR": ("Frankreich", "France", "FRANCE", "FRA", "fr"),
    "NL": ("Niederlande", "Netherlands", "Nederland", "NLD", "nl"),
    "GB": ("Vereinigtes Königreich", "United Kingdom", "UK", "Great Britain", "GBR"),
}

_GIVEN_DE = _listed(
    "Anna Lena Marie Sophie Katharina Julia Laura Sabine Petra Monika Ursula Gisela Birgit Claudia Susanne Heike "
    "Andrea Martina Stefanie Nicole Christina Jana Franziska Johanna Clara Emma Hannah Mia Greta Frieda Käthe Bärbel "
    "Jürgen Günter Björn Jörg Thomas Michael Andreas Stefan Christian Markus Matthias Daniel Sebastian Tobias Florian "
    "Alexander Philipp Lukas Jonas Felix Maximilian Paul Leon Finn Karl Heinz Werner Wolfgang Klaus Dieter Uwe Ralf "
    "Sönke Götz Henning Kai Ulrich Rüdiger"
)
_FAMILY_DE = _listed(
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf "
    "Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Lehmann Köhler "
    "Maier König Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Schubert Vogel Friedrich Keller "
    "Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus "
    "Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Dietrich "
    "Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Voigt Sauer Arnold Pfeiffer Thiele Nowak Yilmaz Kaya Öztürk"
)
GIVEN = {
    "DE": _GIVEN_DE,
    "AT": [*_GIVEN_DE, "Resi", "Franz", "Josef", "Leopold", "Gerlinde", "Walpurga", "Alois", "Hermine"],
    "CH": [*_GIVEN_DE, "Urs", "Reto", "Beat", "Regula", "Ueli", "Luca", "Noé", "Céline", "Chiara", "Ruedi"],
    "FR": _listed(
        "Marie Camille Léa Manon Chloé Élodie Hélène Françoise Aurélie Sandrine Nathalie Isabelle Émilie Zoé Inès "
        "Jean Pierre Michel Philippe François Jérôme Frédéric Sébastien Rémi Théo Hugo Louis Gaël Loïc Étienne Benoît"
    ),
    "NL": _listed(
        "Sanne Lotte Femke Anouk Maaike Marieke Roos Fleur Noor Eva Tess Saskia Daan Sem Bram Jeroen Pieter Maarten "
        "Joost Sjoerd Wouter Ruben Thijs Koen Bas Niels Willem Hendrik Zoë Chloë"
    ),
    "GB": _listed(
        "Olivia Amelia Isla Ava Emily Grace Sophie Charlotte Alice Lucy Harriet Margaret Oliver George Harry Jack "
        "Charlie Thomas James William Edward Henry Arthur Alfie Callum Rory Siân Fergus Niamh Gareth"
    ),
}
FAMILY = {
    "DE": _FAMILY_DE,
    "AT": [*_FAMILY_DE, "Gruber", "Pichler", "Steiner", "Moser", "Hofer", "Leitner", "Eder", "Brunner", "Wögerer"],
    "CH": [*_FAMILY_DE[:50], "Meier", "Frei", "Gerber", "Zürcher", "Brunner", "Bühler", "Lüthi", "Favre", "Rüegg"],
    "FR": _listed(
        "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Simon Laurent Lefèvre Michel Garcia "
        "David Bertrand Roux Vincent Fournier Morel Girard André Mercier Dupont Lambert Bonnet François Faure Mathieu "
        "Gauthier Perrin Chevalier Clément Noël Dufour Brun Blanchard Guérin Müller Bélanger Château"
    ),
    "NL": _listed(
        "Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Dijkstra Smits Koster Prins Huisman "
        "Postma Kuiper Veenstra Kramer Scholten Willems Hoekstra Maas Verhoeven Koning Blom Schouten Wolters Geerts"
    ),
    "GB": _listed(
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Roberts "
        "Green Hall Wood Jackson Clarke Harrison Cooper Morgan Hughes Ward Turner Carter Phillips Mitchell Campbell"
    ),
}
NICKNAMES = {
    "Thomas": "Tom",
    "Michael": "Michi",
    "Andreas": "Andi",
    "Stefan": "Steff",
    "Christian": "Chris",
    "Sebastian": "Basti",
    "Maximilian": "Max",
    "Alexander": "Alex",
    "Katharina": "Kathi",
    "Susanne": "Susi",
    "Johanna": "Hanna",
    "Franziska": "Franzi",
    "Philipp": "Phil",
    "Wolfgang": "Wolfi",
    "William": "Will",
    "Charlotte": "Lotte",
    "Margaret": "Maggie",
    "Josef": "Sepp",
    "Matthias": "Matze",
    "Ulrich": "Uli",
}

#: The first man of each list in GIVEN; those before are women. AT and CH are DE's and GIVEN_MORE.
FIRST_MAN = {"DE": "Jürgen", "FR": "Jean", "NL": "Daan", "GB": "Oliver"}
#: For a crowd of many more people than the company's: further women and men by country.
GIVEN_MORE = {
    "DE": (
        _listed(
            "Brigitte Renate Helga Karin Ingrid Erika Elisabeth Barbara Gabriele Angelika Ute Silke Anja Tanja Sandra "
            "Melanie Nadine Yvonne Daniela Bianca Simone Kerstin Katrin Anke Maren Svenja Vanessa Jessica Lisa Sarah "
            "Lea Emilia Charlotte Ida Mathilda Luise Elena Paula Pauline Amelie Nele Finja Lotta Merle Hilde Waltraud "
            "Edith Irmgard Rosemarie Doris Annette Cornelia Astrid Friederike Theresa Ronja Antonia Elke Regina Verena"
        ),
        _listed(
            "Hans Peter Manfred Horst Gerhard Helmut Günther Herbert Walter Rainer Bernd Frank Holger Detlef Torsten "
            "Thorsten Dirk Axel Olaf Sven Jens Lars Marco Marcel Patrick Dennis Kevin Benjamin Jan Simon Fabian Moritz "
            "Niklas Elias Noah Ben Oskar Emil Anton Theo Jakob David Julian Tim Tom Johannes Martin Robert Stephan "
            "Joachim Hartmut Volker Eberhard Siegfried Kurt Otto Erwin Roland Georg Konrad Steffen Carsten Christoph"
        ),
    ),
    "AT": (_listed("Resi Gerlinde Walpurga Hermine Herta Roswitha"), _listed("Franz Josef Leopold Alois Gottfried")),
    "CH": (_listed("Regula Céline Chiara Ursina Heidi Vreni"), _listed("Urs Reto Beat Ueli Luca Noé Ruedi Hansruedi")),
    "FR": (
        _listed(
            "Jeanne Monique Sylvie Catherine Martine Brigitte Valérie Céline Stéphanie Pauline Lucie Clara Juliette "
            "Alice Louise Emma Jade Lina Rose Anaïs Mathilde Charlotte Margaux Océane Laetitia Virginie Sophie "
            "Véronique Christine Chantal Nicole Jacqueline Denise Simone Odette Thérèse Solène Maëlys Capucine "
            "Delphine"
        ),
        _listed(
            "Jacques Alain Patrick Bernard Christophe Nicolas Julien Antoine Thomas Lucas Maxime Mathis Gérard Daniel "
            "André Claude Marcel René Roger Serge Yves Pascal Thierry Laurent Olivier Stéphane Vincent Guillaume "
            "Romain Alexandre Quentin Clément Baptiste Arthur Jules Gabriel Raphaël Adam Nathan Enzo Valentin Fabien "
            "Xavier"
        ),
    ),
    "NL": (
        _listed(
            "Johanna Maria Anna Elisabeth Ingrid Monique Sandra Esther Linda Iris Julia Emma Lieke Jolanda Wilhelmina "
            "Cornelia Hendrika Petra Marjolein Annemiek Mirjam Karin Yvonne Patricia Kim Lisa Merel Britt Isa Fenna "
            "Evi Sara Amber Nienke Marloes Willemijn Hanneke Ans Truus Tineke Margriet Jantje"
        ),
        _listed(
            "Johannes Jan Cornelis Gerrit Marcel Erik Mark Dennis Tim Lars Jesse Thomas Luuk Stijn Kees Adriaan Theo "
            "Wim Henk Piet Rob Ron Frank Martijn Rik Bart Sander Jasper Roel Teun Gijs Finn Milan Levi Noud Sven Max "
            "Hugo Floris Frits Arie Leendert Rene Edwin"
        ),
    ),
    "GB": (
        _listed(
            "Susan Karen Julie Jacqueline Nicola Sarah Emma Laura Rebecca Jessica Chloe Megan Freya Poppy Elsie "
            "Patricia Christine Linda Carol Sandra Janet Deborah Tracey Sharon Claire Joanne Michelle Victoria Gemma "
            "Hannah Bethany Holly Florence Evie Ruby Matilda Rosie Edith Doris Joan Jean Eileen Maureen"
        ),
        _listed(
            "David John Paul Andrew Mark Stephen Richard Christopher Daniel Matthew Joshua Luke Samuel Archie Leo "
            "Robert Michael Peter Alan Kevin Ian Gary Simon Anthony Philip Nigel Graham Keith Derek Kenneth Ronald "
            "Adam Ryan Lewis Connor Jake Nathan Theodore Freddie Alfred Albert Ernest Stanley"
        ),
    ),
}
GIVEN_ABROAD = (
    _listed(
        "Ayşe Fatma Emine Elif Zeynep Merve Hatice Esra Büşra Selin Derya Agnieszka Katarzyna Małgorzata Joanna "
        "Magdalena Dorota Beata Ewa Zofia Giulia Francesca Chiara Federica Rosa Olga Natalia Irina Svetlana Tatjana "
        "Oksana Jelena Milica Ana Dragana Snežana Amina Layla Fatima Noura Samira Yasmin Thi Linh Mei Hoa Carmen Lucía "
        "Beatriz Inês Ioana Andreea Mihaela Eleni Maria"
    ),
    _listed(
        "Mehmet Mustafa Ali Hasan Emre Murat Ahmet İbrahim Yusuf Kemal Burak Piotr Krzysztof Andrzej Tomasz Paweł "
        "Marek Grzegorz Jakub Giuseppe Antonio Matteo Salvatore Luca Sergej Dmitri Andrij Oleksandr Wladimir "
        "Aleksandar Milan Dragan Nikola Goran Zoran Mohammed Ahmed Omar Karim Hamza Bilal Van Wei Minh Duc José Miguel "
        "João Ricardo Ion Andrei Bogdan Giorgos Nikos"
    ),
)
FAMILY_ABROAD = _listed(
    "Yıldız Demir Çelik Şahin Kaya Aydın Arslan Doğan Koç Nowak Kowalski Wiśniewski Wójcik Kamiński Zieliński Rossi "
    "Russo Ferrari Esposito Bianchi Romano Iwanow Petrow Sokolow Popow Petrović Jovanović Nikolić Marković Horvat "
    "Kovačević Nguyễn Trần Phạm Haddad Khalil Mansour Hussein Ahmadi Silva Santos Pereira Fernández González Popescu"
)
#: Family names that few bear are put together: a beginning (seldom), a stem, sometimes a joint, an ending.
FAMILY_BEGINNINGS = {
    "DE": _listed("Ober Nieder Alten Neu Hinter Unter Groß Klein Vorder Mitter Hoch Lang Schön Kalten Roten Weiten"),
    "FR": ("Le ", "La ", "De ", "Du ", "Saint-", "Des "),
    "NL": ("van ", "van der ", "de ", "van den ", "ter ", "ten "),
    "GB": ("Mac", "O'", "Fitz", "St. "),
    "abroad": ("Al-", "Ben ", "Di ", "De "),
}
FAMILY_STEMS = {
    "DE": _listed(
        "Stein Berg Wald Feld Hof Bach Brunn Linden Buch Eich Rosen Gold Silber Eisen Holz Sand Moos Ried Lech Harz "
        "Kirch Burg Schön Breit Lang Kurz Hoch Tief Weit Grün Rot Schwarz Weiß Braun Acker Wiesen Garten Mühl Forst "
        "Hasel Kessel Pfann Rau Sieg Wolf Bär Hirsch Falk Adler Hahn Kranz Dorn Distel Winter Sommer Oster Heim Land "
        "Reich Frei Edel Wein Korn Hafer Gersten Salz Zeller Hütten Brücken Teich See Fluss Ufer Küster Sattel"
    ),
    "FR": _listed(
        "Beau Mont Ville Bois Roche Font Cham Gran Bel Haute Val Mar Cler Du Bon Gui Per Lam Char Bru Cour Des Far Gal "
        "Jol Lan Mor Nav Pel Quin Ren Sal Tav Vign Berg Cast Fleur Gar Lou Pom"
    ),
    "NL": _listed(
        "Berg Dijk Hoek Veen Water Beek Bosch Meer Wijk Haar Linden Horst Broek Zand Heuvel Kamp Velde Laan Berk Eik "
        "Polder Sloot Toren Molen Rijn Maas Haven Kerk Schaap Vink Wolf Ploeg Zwaan Kool Roos Steen"
    ),
    "GB": _listed(
        "Ash Black Brook Hart Hol Lang Nor Oak Rad Shel Stan Thorn Up Whit Win Wood Al Bar Cran Dun Ed Fair Gar Hather "
        "Ken Lin Mal New Pem Rock Sel Tat Wal Wes Apple Birch Comp Derw Elm Fen Glen"
    ),
    "abroad": _listed(
        "Jovan Petr Novak Kowal Lewand Wiśn Maj Zaj Dobr Demir Kara Ak Yıl Öz Taş Er Bel Mor Ross Mart Ferr Cost Val "
        "Gall Ion Dumitr Hadj Sar Kov Bog Stoj Rad Vuk Zel Pavl Iwan Sokol Mel Ban Cal Lop Ram Nik Papad Kir"
    ),
}
FAMILY_JOINTS = {
    "DE": ("s", "en", "er"),
    "FR": ("i", "e", "o"),
    "NL": ("s", "en", "er"),
    "GB": ("s", "er", "ing"),
    "abroad": ("an", "i", "o"),
}
FAMILY_ENDINGS = {
    "DE": _listed(
        "mann er meier ner müller inger hofer berger bauer huber ke le mayr ing feld bach stein holz kamp hardt "
        "recht dorf haus thaler moser egger brink mer lein brock horst ötter scheid auer eder"
    ),
    "FR": _listed("mont ville ier eau et on ard elle in aud ert ois ac ais ault eux lin nard quet vel"),
    "NL": _listed("sma stra man mans huis veld hof kamp zen kens dam ink loo wijk"),
    "GB": _listed("ton ley ford well son man wood field worth by shaw ridge ham den more croft bury ward"),
    "abroad": _listed("ić ović ski owski czyk enko ov eva oğlu taş kaya han ini etti one escu ez es akis opoulos"),
}
#: Names that somebody is called by or gives in a hurry, beside NICKNAMES.
SHORT_FORMS = {
    "Thomas": ("Tommy", "Thom"),
    "Michael": ("Micha", "Mike"),
    "Andreas": ("Andy",),
    "Andrea": ("Andi",),
    "Stefan": ("Stef",),
    "Stephan": ("Steff",),
    "Christian": ("Chrissi",),
    "Christina": ("Chris", "Tina"),
    "Christoph": ("Chris", "Stoffel"),
    "Alexander": ("Sascha", "Xander"),
    "Katharina": ("Katha", "Käthe", "Kati"),
    "Katrin": ("Kati",),
    "Susanne": ("Sanne", "Suse"),
    "Johanna": ("Jo", "Hanni"),
    "Johannes": ("Hannes", "Jo"),
    "Hans": ("Hansi",),
    "Gabriele": ("Gabi",),
    "Elisabeth": ("Lisa", "Sissi", "Elli", "Lisbeth"),
    "Margaret": ("Meg", "Peggy"),
    "Barbara": ("Babsi", "Bärbel"),
    "Brigitte": ("Gitte", "Biggi"),
    "Angelika": ("Geli",),
    "Sabine": ("Bine",),
    "Stefanie": ("Steffi",),
    "Martina": ("Tina",),
    "Nicole": ("Nici",),
    "Daniela": ("Dani",),
    "Daniel": ("Dani",),
    "Manfred": ("Manni",),
    "Günter": ("Günni",),
    "Jürgen": ("Jogi",),
    "Joachim": ("Jochen", "Achim"),
    "Rüdiger": ("Rudi",),
    "Heinz": ("Heini",),
    "Werner": ("Wernie",),
    "Tobias": ("Tobi",),
    "Florian": ("Flo",),
    "Friederike": ("Rike",),
    "Frieda": ("Friedl",),
    "Theresa": ("Resi",),
    "Benjamin": ("Ben", "Benni"),
    "Jakob": ("Jascha",),
    "Lukas": ("Luki",),
    "Jonas": ("Joni",),
    "Patrick": ("Pat",),
    "Robert": ("Rob", "Bob"),
    "Richard": ("Dick", "Rick"),
    "William": ("Bill", "Billy"),
    "Edward": ("Ted", "Eddie"),
    "James": ("Jim", "Jamie"),
    "Samuel": ("Sam",),
    "Christopher": ("Chris",),
    "Matthew": ("Matt",),
    "Rebecca": ("Becky",),
    "Susan": ("Sue",),
    "Nicola": ("Nicky",),
    "Emily": ("Em",),
    "Catherine": ("Cathy",),
    "Françoise": ("Fanfan",),
    "Frédéric": ("Fred",),
    "Nicolas": ("Nico",),
    "Hendrik": ("Henk",),
    "Pieter": ("Piet",),
    "Cornelis": ("Kees", "Cor"),
    "Mehmet": ("Memo",),
    "Mohammed": ("Mo",),
    "Giuseppe": ("Beppe",),
    "Katarzyna": ("Kasia",),
    "Małgorzata": ("Gosia",),
}
TOWN_STEMS = _listed(
    "Neu Alt Ober Unter Linden Eichen Birken Rosen Stein Berg Wald Wiesen Mühl Bruch Kirch Schön Königs Herzogen "
    "Markt Moor Salz Eisen Hasel Erlen Buchen Wolfs Hirsch Falken Reichen Gänse Klein Groß Lauter Schwarz Weißen"
)
TOWN_ENDINGS = _listed("stadt dorf hausen heim burg berg feld bach tal kirchen brück furt rode ingen au")
#: Where a town of a crowd may be: region, first postcode, how many towns share the range.
TOWN_REGIONS = {
    "DE": (
        ("Bayern", 83000, 9000),
        ("Baden-Württemberg", 71000, 8000),
        ("Nordrhein-Westfalen", 41000, 9000),
        ("Hessen", 61000, 5000),
        ("Niedersachsen", 26000, 3900),
        ("Sachsen", 8000, 1300),
        ("Schleswig-Holstein", 24000, 1900),
        ("Rheinland-Pfalz", 54000, 2900),
    ),
    "AT": (("Niederösterreich", 2000, 900), ("Steiermark", 8100, 800), ("Tirol", 6100, 500)),
    "CH": (("Aargau", 5000, 700), ("St. Gallen", 9000, 600), ("Bern", 3100, 700)),
    "FR": (("Bretagne", 29100, 800), ("Occitanie", 31100, 800), ("Normandie", 14100, 800)),
    "NL": (("Gelderland", 6500, 900), ("Friesland", 8400, 600)),
    "GB": (("England", 1, 30), ("Wales", 1, 30)),
}
#: Area codes of landlines as in E.164, without the country's, and how many digits follow.
AREA_CODES = {
    "DE": (_listed("30 40 89 221 69 711 211 341 351 345 911 421 511 251 451 365 7531 8821 4131 2861 6421 9561"), 7),
    "AT": (_listed("1 316 732 662 512 2742"), 7),
    "CH": (_listed("44 61 31 22 41 71"), 7),
    "FR": (_listed("1 4 3 2 5"), 8),
    "NL": (_listed("20 10 30 40 26"), 7),
    "GB": (_listed("2079 1619 1179 1319 2920"), 6),
}
STREET_STEMS = {
    "DE": _listed(
        "Linden Birken Eichen Buchen Ahorn Rosen Tulpen Nelken Goethe Schiller Mozart Beethoven Bach Kant Luther "
        "Bismarck Wilhelm Friedrich Kaiser König Park Kirch Schul Markt Mühlen Berg Tal Wald Feld Wiesen Garten "
        "Sonnen Ring Industrie Hafen Bahnhof Post Brunnen Schloss Burg See Ufer Amsel Drossel Finken"
    ),
    "FR": _listed("Pasteur Molière Gambetta Voltaire Jaurès Lafayette Carnot Zola Clemenceau Verdun"),
    "NL": _listed("Dorps Kerk Molen Stations Juliana Beatrix Wilhelmina Eiken Beuken School Haven Markt"),
    "GB": _listed("Church Mill Station Park Victoria Albert King Queen Manor Green Grove York Chester London"),
}
STREET_ENDINGS = {
    "DE": _listed("straße weg allee platz gasse ring"),
    "FR": ("Rue {}", "Avenue {}", "Place {}", "Boulevard {}"),
    "NL": _listed("straat weg laan plein"),
    "GB": (" Street", " Road", " Lane", " Close", " Avenue"),
}
SHARED_INBOXES = ("info", "office", "kontakt", "buero", "verwaltung", "mail")
#: What stands in e-mail addresses that do not tell a name.
FANTASY = _listed(
    "sonnenschein wirbelwind katzenfan bienchen schneewolke leuchtturm nordwind traumtaenzer lesemaus gartenzwerg "
    "bergziege seepferd drachenboot kaffeetante fahrradfan strandkorb waldfee zeitreise sternchen hummel"
)

#: (city, region, first postcode, how many follow)
CITIES = {
    "DE": (
        ("Berlin", "Berlin", 10115, 900),
        ("Hamburg", "Hamburg", 20095, 400),
        ("München", "Bayern", 80331, 600),
        ("Köln", "Nordrhein-Westfalen", 50667, 400),
        ("Frankfurt am Main", "Hessen", 60308, 200),
        ("Stuttgart", "Baden-Württemberg", 70173, 300),
        ("Düsseldorf", "Nordrhein-Westfalen", 40210, 300),
        ("Leipzig", "Sachsen", 4103, 200),
        ("Dresden", "Sachsen", 1067, 200),
        ("Halle (Saale)", "Sachsen-Anhalt", 6108, 20),
        ("Nürnberg", "Bayern", 90402, 80),
        ("Bremen", "Bremen", 28195, 500),
        ("Hannover", "Niedersachsen", 30159, 300),
        ("Münster", "Nordrhein-Westfalen", 48143, 12),
        ("Lübeck", "Schleswig-Holstein", 23552, 17),
        ("Gera", "Thüringen", 7545, 7),
    ),
    "AT": (
        ("Wien", "Wien", 1010, 220),
        ("Graz", "Steiermark", 8010, 40),
        ("Linz", "Oberösterreich", 4020, 30),
        ("Salzburg", "Salzburg", 5020, 6),
        ("Innsbruck", "Tirol", 6020, 1),
    ),
    "CH": (
        ("Zürich", "Zürich", 8001, 50),
        ("Basel", "Basel-Stadt", 4051, 9),
        ("Bern", "Bern", 3004, 14),
        ("Genève", "Genève", 1201, 9),
        ("Luzern", "Luzern", 6003, 3),
    ),
    "FR": (
        ("Paris", "Île-de-France", 75001, 20),
        ("Lyon", "Auvergne-Rhône-Alpes", 69001, 9),
        ("Strasbourg", "Grand Est", 67000, 1),
        ("Nice", "Provence-Alpes-Côte d'Azur", 6000, 1),
        ("Bourg-en-Bresse", "Auvergne-Rhône-Alpes", 1000, 1),
    ),
    "NL": (
        ("Amsterdam", "Noord-Holland", 1011, 90),
        ("Rotterdam", "Zuid-Holland", 3011, 60),
        ("Utrecht", "Utrecht", 3511, 40),
        ("Eindhoven", "Noord-Brabant", 5611, 30),
    ),
    "GB": (
        ("London", "England", 1, 9),
        ("Manchester", "England", 1, 9),
        ("Bristol", "England", 1, 9),
        ("Edinburgh", "Scotland", 1, 9),
    ),
}
GB_AREA = {"London": "SW", "Manchester": "M", "Bristol": "BS", "Edinburgh": "EH"}
STREETS = {
    "DE": _listed(
        "Hauptstraße Schulstraße Gartenweg Bahnhofstraße Dorfstraße Bergstraße Lindenallee Birkenweg Goethestraße "
        "Schillerplatz Mühlenweg Kirchgasse Ringstraße Waldweg Rosenweg Am-Anger Königsallee Jägerstraße"
    ),
    "FR": ("Rue de la Paix", "Rue Victor Hugo", "Avenue Foch", "Rue du Château", "Place de l'Église", "Rue Pasteur"),
    "NL": ("Dorpsstraat", "Kerkstraat", "Molenweg", "Stationsweg", "Prinsengracht", "Julianalaan"),
    "GB": ("High Street", "Station Road", "Church Lane", "Victoria Road", "Mill Lane", "Queens Road"),
}
STREETS["AT"] = STREETS["CH"] = STREETS["DE"]

COMPANY_FIRST = _listed(
    "Nordlicht Alpenblick Hansa Rheingold Silberwald Lindenhof Goldammer Sonnenberg Seeblick Kranich Eichgrund "
    "Wiesental Falkenstein Rosenau Brückner Ostwind Mühlental Kornfeld Bärenfels Steinbach Ahornhof Grünwald "
    "Kupferberg Talblick Meerstern Moosbach Hochrain Birkenau Schönfeld Ährenkranz"
)
COMPANY_TRADE = (
    ("Gastronomie", "Gastgewerbe"),
    ("Hotels", "Gastgewerbe"),
    ("Bürobedarf", "Handel"),
    ("Gartenbau", "Gartenbau"),
    ("Catering", "Gastgewerbe"),
    ("Einrichtung", "Handel"),
    ("Pflegeheime", "Gesundheit"),
    ("Kindergärten", "Bildung"),
    ("Immobilien", "Immobilien"),
    ("Software", "IT"),
    ("Logistik", "Logistik"),
)
COMPANY_FORM = {
    "DE": ("GmbH", "AG", "GmbH & Co. KG", "e.K."),
    "AT": ("GmbH", "OG"),
    "CH": ("AG", "GmbH"),
    "FR": ("SARL", "SAS"),
    "NL": ("B.V.",),
    "GB": ("Ltd", "LLP"),
}
JOB_TITLES = ("Einkauf", "Geschäftsführung", "Küchenleitung", "Office Management", "Assistenz", "Hausverwaltung")

#: category → (code, nouns, lowest and highest price in EUR cents)
GOODS = {
    "Küche": (
        "KUE",
        "Topf Pfanne Schüssel Kochmesser Schneidebrett Wasserkocher Kaffeemühle Teekanne Dose",
        990,
        12990,
    ),
    "Garten": ("GAR", "Pflanzkübel Gartenschere Gießkanne Sonnenschirm Hochbeet Vogelhaus Spaten Laterne", 790, 24990),
    "Wohnen": ("WOH", "Kissen Decke Stehlampe Vase Spiegel Teppich Bilderrahmen Kerzenhalter Hocker", 1290, 29990),
    "Bad": ("BAD", "Handtuch Badematte Seifenspender Duschkopf Wäschekorb Bademantel", 690, 8990),
    "Büro": ("BUE", "Schreibtischlampe Ordner Bürostuhl Regal Notizbuch Papierkorb", 390, 39990),
    "Genuss": ("GEN", "Kaffee Tee Honig Schokolade Marmelade Olivenöl", 450, 3990),
}
STYLES = _listed("Alma Björk Calma Dünen Edda Fjord Gösta Halm Isar Juno Käte Lio Malmö Nora Öland")
COLOURS = (("BL", "blau"), ("GR", "grün"), ("WS", "weiß"), ("SW", "schwarz"), ("NA", "natur"))
BRANDS = ("Mühlbach", "Haus & Hof", "Nordform", "Grünzeug", "Tischkultur")
SUPPLIERS = (
    "Keramik Oberland GmbH",
    "Weberei Süd AG",
    "Holzwerk Harz e.K.",
    "Fabriek Noord B.V.",
    "Verre de Loire SAS",
)
CARRIERS = ("DHL", "DPD", "GLS", "Hermes")

#: topic → (tag in the helpdesk, subjects, texts); {order} and {product} are filled in.
TICKETS_DE = {
    "delivery": (
        ("Wo bleibt meine Lieferung?", "Bestellung {order} noch nicht da", "Paket verspätet"),
        (
            "Guten Tag,\nmeine Bestellung {order} ist immer noch nicht angekommen. Wann kommt das Paket?",
            "Laut Sendungsverfolgung sollte {order} gestern kommen. Es ist nichts angekommen.",
        ),
    ),
    "damaged": (
        ("Ware beschädigt", "{product} kaputt angekommen", "Reklamation {order}"),
        (
            "Leider kam {product} zerbrochen an. Ich möchte Ersatz oder mein Geld zurück.",
            "Der Karton war eingedrückt, {product} hat einen Riss. Fotos kann ich schicken.",
        ),
    ),
    "return": (
        ("Rücksendung", "Wie kann ich zurückschicken?", "Widerruf {order}"),
        (
            "Ich möchte {product} aus Bestellung {order} zurückgeben. Wie bekomme ich ein Rücksendeetikett?",
            "Hiermit widerrufe ich die Bestellung {order}.",
        ),
    ),
    "payment": (
        ("Zahlung doppelt abgebucht", "Frage zur Rechnung {order}", "Zahlung fehlgeschlagen"),
        (
            "Bei {order} wurde zweimal abgebucht. Bitte prüfen Sie das dringend!",
            "Die Zahlung mit Karte geht nicht. Können Sie mir eine Rechnung für {order} schicken?",
        ),
    ),
    "product": (
        ("Frage zu {product}", "Ist {product} spülmaschinenfest?"),
        (
            "Hallo, passt {product} auch auf Induktion? Vielen Dank!",
            "Wann ist {product} wieder lieferbar?",
        ),
    ),
    "account": (
        ("Passwort vergessen", "Adresse ändern"),
        ("Ich kann mich nicht anmelden.", "Wir sind umgezogen, bitte ändern Sie meine Adresse."),
    ),
}
TICKETS_EN = {
    "delivery": (
        ("Where is my parcel?", "Order {order} not delivered"),
        ("Hello, my order {order} has not arrived yet. Could you please check?",),
    ),
    "damaged": (("Damaged item", "{product} arrived broken"), ("The {product} arrived broken. I'd like a refund.",)),
    "return": (("Return request", "Returning {order}"), ("How do I return {product} from order {order}?",)),
    "payment": (("Charged twice", "Invoice for {order}"), ("I was charged twice for {order}, please help.",)),
    "product": (("Question about {product}",), ("Does {product} come in other colours?",)),
    "account": (("Cannot log in",), ("The password reset e-mail never arrives.",)),
}
TOPIC_SHARE = {"delivery": 0.34, "damaged": 0.15, "return": 0.19, "payment": 0.11, "product": 0.14, "account": 0.07}
REPLIES = (
    "Guten Tag,\nvielen Dank für Ihre Nachricht. Wir kümmern uns darum und melden uns in Kürze.",
    "Vielen Dank. Das Paket ist unterwegs und sollte morgen ankommen.",
    "Es tut uns leid! Wir haben Ihnen heute Ersatz geschickt.",
    "Hello,\nthank you for your message. We have looked into it and will get back to you today.",
)
THANKS = (
    "Danke, hat sich erledigt.",
    "Das ist jetzt schon das dritte Mal!",
    "Thanks, all good now.",
    "Super, vielen Dank!",
)
REVIEWS = {
    5: ("Ganz toll, sehr schöne Qualität.", "Immer wieder gerne!", "Lovely quality, fast delivery."),
    4: ("Schön, aber etwas kleiner als gedacht.", "Gut verpackt, schnell da."),
    3: ("Ist in Ordnung.", "Farbe anders als auf dem Foto."),
    2: ("Lieferung dauerte zu lange.", "Für den Preis enttäuschend."),
    1: ("Nach zwei Wochen kaputt.", "Nie wieder. Support antwortet nicht."),
}
ORDER_NOTES = (
    "Bitte beim Nachbarn abgeben",
    "Lieferung an Hintereingang,\nbitte klingeln",
    'Geschenk, bitte Karte mit "Alles Gute" beilegen',
    "Bitte nicht vor 9 Uhr",
)
