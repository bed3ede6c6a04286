-- Words in lower case, without accents and punctuation, parted by single blanks.
CREATE OR REPLACE TEMP MACRO words(x) AS nullif(
    trim(
        regexp_replace(
            strip_accents(
                translate(replace(replace(lower(x), 'ß', 'ss'), 'æ', 'ae'), 'øł''’', 'ol')
            ),
            '[^\p{L}\p{N}]+', ' ', 'g'
        )
    ),
    ''
);
-- Müller, Mueller and Muller alike.
CREATE OR REPLACE TEMP MACRO folded(x) AS replace(replace(replace(x, 'ae', 'a'), 'oe', 'o'), 'ue', 'u');
-- A name without what is written in its stead.
CREATE OR REPLACE TEMP MACRO named(x) AS CASE
    WHEN NOT list_contains(
        [
            'n a', 'na', 'n n', 'nn', 'none', 'null', 'nan', 'nil', 'unknown', 'unbekannt', 'inconnu',
            'desconocido', 'onbekend', 'test', 'tester', 'testing', 'tbd', 'tba', 'x', 'xx', 'xxx', 'xxxx',
            'keine angabe', 'kein name', 'no name', 'noname', 'anonymous', 'anonym', 'guest', 'gast',
            'invite', 'kunde', 'customer', 'client', 'not provided', 'not available', 'first name',
            'last name', 'vorname', 'nachname', 'name', 'dummy', 'asdf', 'missing', 'undefined'
        ],
        x
    ) THEN x
END;
-- Without some whole words, parted by | in `listed`; null where nothing is left.
CREATE OR REPLACE TEMP MACRO without(x, listed) AS nullif(
    trim(replace(regexp_replace(' ' || replace(x, ' ', '  ') || ' ', ' (' || listed || ') ', '', 'g'), '  ', ' ')), ''
);
CREATE OR REPLACE TEMP MACRO untitled(x) AS without(
    x,
    'mr|mrs|ms|miss|mx|dr|prof|professor|herr|frau|hr|fr|mme|mlle|mr|sir|dame|lady|lord|rev|reverend|capt'
    || '|ing|dipl|mag|med|phil|jur|sen|jun|jr|sr|ii|iii|iv'
);
-- Without the small words of family names, if another is left.
CREATE OR REPLACE TEMP MACRO bare(x) AS coalesce(without(
    x,
    'van|von|vom|zu|zum|zur|der|den|de|del|della|di|da|dos|du|la|le|las|los|ten|ter|el|al|bin|ibn|st|san'
    || '|y|e'
), x);
-- Sounds in classes, whatever the language.
CREATE OR REPLACE TEMP MACRO sounds(x) AS translate(
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
        replace(x, ' ', ''), 'sch', 's'), 'sh', 's'), 'ph', 'f'), 'ck', 'k'), 'ch', 'k'), 'tz', 's'), 'th', 't'),
        'dt', 't'), 'gh', 'g'), 'ce', 'se'),
    'yjdbgczvwqhäöü', 'iitpkksffk'
);
-- How a name sounds: the first sound, then consonants, none twice in a row.
CREATE OR REPLACE TEMP MACRO sound(x) AS left(sounds(x), 1) || replace(replace(replace(replace(replace(replace(replace(
    replace(replace(translate(sounds(x)[2 :], 'aeiou', ''), 'll', 'l'), 'nn', 'n'), 'ss', 's'), 'tt', 't'), 'mm', 'm'),
    'rr', 'r'), 'pp', 'p'), 'kk', 'k'), 'ff', 'f');
-- Whether a full name is an organisation's, by its legal form or what it calls itself.
CREATE OR REPLACE TEMP MACRO has_legal_form(x) AS regexp_matches(
    ' ' || x || ' ',
    ' (' || 'gmbh|mbh|ag|kg|ohg|gbr|ug|ev|eg|ltd|limited|llc|llp|lp|plc|inc|incorporated|corp|corporation|company'
    || '|co|bv|nv|sarl|sas|srl|spa|snc|oy|oyj|aps|pty|ltda|eireli|gesellschaft|holding|holdings|group|gruppe'
    || '|foundation|stiftung|verein|association|university|universitat|bank|trust|fund|institute|institut'
    || '|ministry|hotel|restaurant|cafe|apotheke|club|society|council|committee|agency|shop|store|services'
    || '|solutions|systems|technologies|industries|international|trading|enterprises|partners|consulting' || ') '
);
-- Without legal forms and the small words of company names, if another is left.
CREATE OR REPLACE TEMP MACRO unformed(x) AS coalesce(without(
    x,
    'gmbh|mbh|ag|kg|ohg|gbr|ug|ev|eg|se|ltd|limited|llc|llp|lp|plc|inc|incorporated|corp|corporation'
    || '|company|co|bv|nv|sa|sarl|sas|srl|spa|snc|oy|oyj|ab|as|aps|pty|ltda|eireli|and|und|et|the|of'
), x);
-- A street without number and kind.
CREATE OR REPLACE TEMP MACRO street_name(x) AS nullif(
    regexp_replace(
        regexp_replace(
            ' ' || replace(regexp_replace(x, '\b[0-9]+ ?[a-z]?\b', '', 'g'), ' ', '  ') || ' ',
            '(' || 'strasse|straat|str| street| st| road| rd| avenue| ave| av| drive| dr| lane| ln| place| pl'
            || '| court| ct| close| crescent| cres| boulevard| blvd| way| terrace| rue| route| circuit'
            || '| parade' || ') ',
            '', 'g'
        ),
        ' +', '', 'g'
    ),
    ''
);
-- Rarity of a value by the records that have it.
CREATE OR REPLACE TEMP MACRO rarity(n) AS CASE
    WHEN coalesce(n, 1) <= 2 THEN 0 WHEN n <= 4 THEN 1 WHEN n <= 8 THEN 2 WHEN n <= 32 THEN 3 WHEN n <= 128 THEN 4
    WHEN n <= 1024 THEN 5
    ELSE 6
END;
-- How many other names than the pair's own an address or number has; one who married has two.
CREATE OR REPLACE TEMP MACRO other_names(names, one, other, is_given_alike) AS names - CASE WHEN one <> other AND is_given_alike THEN 2 ELSE 1 END;
-- How widely an address or number is shared: other names on it than the pair's own, then records.
CREATE OR REPLACE TEMP MACRO shared_level(names, records) AS CASE
    WHEN names <= 0 THEN CASE WHEN records <= 2 THEN 0 WHEN records <= 4 THEN 1 ELSE 2 END
    WHEN names = 1 THEN 3
    WHEN names <= 3 THEN 4
    ELSE 5
END;
-- Rarity of a full name by how often it is expected if given and family names were independent.
CREATE OR REPLACE TEMP MACRO name_rarity(n) AS CASE
    WHEN n < 0.01 THEN 0 WHEN n < 0.05 THEN 1 WHEN n < 0.2 THEN 2 WHEN n < 0.8 THEN 3 WHEN n < 3 THEN 4
    WHEN n < 12 THEN 5
    ELSE 6
END;
