"""Short forms of given names that are no beginnings of the long ones, which are recognised anyway.

A line is a name in full, then forms of it; a form of several names goes with the first. Spelt as they
One are compared: in
lower case, without accents, ae, oe and ue as a, o and u.
"""

from __future__ import annotations

_FORMS = """
alexander sasha sascha xander alex sandy lex aleksander alejandro alessandro
alexandra sandra alexa
abigail abby abbie gail
adelheid heidi
agnes nessie
albert bert bertie
albrecht ali
alfred fred freddie freddy alfie
amelia milly millie
andreas andi andy anderl dres andre andrea andrew drew
anna anne anni annie ann anja anke annika antje nancy hanna
anneliese liesel
anton toni tony antonio antonius antoine anthony
antonia toni toinette antonella
arnold arno arnie
arthur art artie
august gustl
barbara babs barb barbie babsi
bartholomaus barthel bart
beatrice bea trixi trixie beatrix
benjamin ben benny benni benno
bernhard bernd berni bernie hardy
bernadette detta
brigitte gitte gitta biggi birgit birgitta
burkhard burki
carl karl charles charly charlie charley chuck kalle carlo carlos carlo
caroline carolin carola caro lina karoline carolina carrie line
catherine katharina kate katie kathy cathy kathi kati katja katrin kathrin cat kitty katy kay trina
catherine catharina ekaterina caterina karin
charlotte lotte lotti charlie lottie carlotta
christian chris christi
christina tina chrissi christine christel chris kirsten kristina kristin christa
christopher chris topher kit christoph stoffel kristof
claudia claudi
claus klaus nikolaus nicholas nick nicky niko nico klas niklas niclas nicolas nicola klausi
constantin kosta
cornelia conny connie nele neele
cornelius kees cor
daniel dan danny dani dane
david dave davy davey
deborah debbie deb
dennis den
dietrich dieter dirk
donald don donnie
dorothea dora dorle dorothee dorothy dot dottie thea doris
edward eduard ed eddie eddy ted teddy ned edu
edmund ed
eleanor nora ellie nell leonore lenore eleonore ella ellen helen helene helena lena leni elena nelly
elisabeth elizabeth elsbeth liz lizzie lizzy lisa liesl lise lisbeth betty beth bess bettina elli
elisabeth elsa else ilse lilli lilly libby eliza bettine sissi elise
emil emilio
emilia emily emmy milly
emma emmi
erich eric erik rick
ernst ernie ernest ernesto
eugen gene
eva evi
ferdinand ferdi fernando nando
florian flo flori
frances fran franny francesca franziska franzi fanny sissy francoise
francis frank franz frankie francois francesco paco pancho
frederick friedrich fritz fred freddie fiete frederik frieder federico frederic
friederike rike fritzi rieke frederike
gabriele gabi gaby gabriela gabrielle
georg george jorg jurgen schorsch georgie jorge giorgio jury
gerhard gerd gert gerry gerhart
gerald gerry jerry gerold
gertrud gertrude trudi trudy gerti traudel
gilbert gil bert
gottfried friedel
gregor gregory greg grischa
gunther gunter gunni
gustav gus gustl
harald harry hal
heinrich heinz henry heiner hinrich henrik hendrik enrico heini harry hank henri enrique
henrietta henriette etta jette hettie
hermann herm armin armand
herbert herb bertl
hieronymus jerome
hildegard hilde hilda
hubert hubsi bert
ignaz nazi ignacio nacho
irene reni
isabella isabel bella izzy isa isabelle bell belle
jacob jakob jack jake jacques jaap jockel koby
jacqueline jackie jacky
james jim jimmy jamie jaime
jane janie jenny
janina nina
jennifer jenny jen jenni
jeremy jerry jeremias
jessica jess jessie
joachim achim jochen jo jochim
johanna hanna hanne jo johanne joanna joan jana
johannes john johnny hans hannes jan jens jo hansi jean ivan giovanni juan ian sean johann jonny
johannes hannes jack hanns henning
jonathan jon jonny johnny nathan
joseph josef joe joey sepp jose jupp josi pepe giuseppe beppo pepi joop jos
josephine josi josie fine finchen josefine josefa
judith judy jutta
julia jule julie giulia jule juliane liane
julian jules
justin jus
kenneth ken kenny
konrad kurt conny conrad kuno
kunigunde gundi
lawrence larry laurie laurenz lorenz lars lorenzo laurens laurent renz
leonard leo len lenny leonhard lenni leonardo hardy
leopold leo poldi
louis ludwig lou louie luis lutz luigi lewis wiggerl ludovic
louise lou luise luisa lulu
madeleine maddie madeline madlen leni
magdalena lena leni magda madlen lene maddalena malena
manfred manni manny fred
manuela manu ela
margaret margarete margarethe maggie meg peggy madge marge margie margot grete gretel gretchen greta
margaret rita daisy gitta marga gritt margit margret marguerite margherita
maria marie mary mia mitzi molly polly maja mariechen maike mimi ria marija
marianne nanni marian mary
mark marcus markus marc marco marek
martha marty
martin marty tin martino maarten
martina tina
mathilde tilda tilly mathilda hilda thilde
matthew matt matthias matze mathis hias matti mattias mathias matteo mathieu thies matthaus
maximilian max maxi massimo
melanie mel melli
michael mike mick mickey micha michi mitch michel miguel michele mikhail misha mischa mikel
michaela michi ela micha
miriam mimi
moritz mo maurice
natalie nat nathalie natalia natasha talia
nathaniel nat nate nathan
oliver olli ollie olly olivier
oswald ossi
otto ott
pamela pam
patricia pat patty tricia trish patti pati
patrick pat paddy rick
paul pablo paolo pauli pavel
pauline paula paulchen
penelope penny
peter pete pit piet pedro pierre petra peer pietro pjotr petrus
philipp phil philip pip felipe philippe filippo lippi
rachel rae
raimund raymond ray mundi
rebecca becky becca bec rebekka
regina gina reggie
reginald reg reggie
reinhard reiner rainer hardy
reinhold reini
richard dick rick ricky rich richie ricardo ritchie riccardo
robert bob bobby rob robbie bert robin roberto rupert
roderich rod
roger rodge rutger rudiger
roland rolli rolando
ronald ron ronnie reinhold
rosemarie rosi rose rosie rosalie rosa romy marie
rudolf rudi rolf rudolph rudy rodolfo
samuel sam sammy
sandra sandy
sarah sally sara sadie
sebastian basti seb bastian wastl sebi bas
sibylle billa bille
siegfried sigi siggi fred
siegmund sigi
sigrid sigi siri
simon si simone
sophie sophia sofie fifi sonja sofia
stanislaus stan stani
stephan stephen steve steven stefan steff stevie steffen esteban etienne stefano
stephanie steffi steph stefanie stephie fanny
susanne susan sue suzy susi suse sanne susie suzanne susanna sanni
sylvester silvester vester
sylvia silvia silvi
terence terry
theodor theodore theo ted teddy fedor
theresa therese tess tessa terry resi thea teresa tracy resl
thomas tom tommy thom tomas tommaso
timothy tim timmy timotheus
tobias tobi toby
ulrich uli ulli utz
ulrike ulli ulla rike
ursula uschi ulla ursel ursl
valentin valtin
valerie val
vanessa nessa
veronika vroni ronja nika vreni veronica roni
victor vic viktor vittorio
victoria vicky vicki tori viktoria
vincent vince vinny vinzenz vincenzo
virginia ginny ginger
waldemar waldi
walter walt wally wolter
walburga burgl
werner wern
wilhelm william will bill billy willi willy helmut helm wim liam guillaume guglielmo guillermo willem
wilhelmine mine minna minnie helma wilma
winfried fried
wolfgang wolf wolfi wolle
yvonne evi
zacharias zach zack zachary
"""

#: short form → the name in full
ROOTS: dict[str, str] = {}
for _line in _FORMS.split("\n"):
    _root, *_short = _line.split() or [""]
    for _name in _short:
        ROOTS.setdefault(_name, _root)
