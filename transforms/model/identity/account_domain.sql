-- One row per e-mail domain that stands for exactly one account.
WITH claimed AS (
    SELECT domain, account_id FROM identity.account WHERE domain IS NOT NULL
    UNION
    SELECT nullif(split_part(company.email, '@', 2), ''), account.account_id
    FROM clean.company AS company
    INNER JOIN identity.account AS account
        ON account.source = company.source AND account.source_id = company.source_id
),
own AS (
    SELECT domain, min(account_id) AS account_id
    FROM claimed
    WHERE domain IS NOT NULL
    GROUP BY domain
    HAVING count(DISTINCT account_id) = 1
),
contact AS (
    SELECT
        split_part(contact.email, '@', 2) AS domain,
        account.account_id,
        contact.postcode
    FROM clean.contact AS contact
    LEFT JOIN identity.account AS account
        ON account.source = contact.source AND account.source_id = contact.company_id
    WHERE contact.email IS NOT NULL
),
people AS (
    SELECT
        own.domain,
        sum(CASE WHEN contact.account_id = own.account_id THEN 1 ELSE 0 END) AS own_people,
        sum(CASE WHEN contact.account_id <> own.account_id THEN 1 ELSE 0 END) AS others_people,
        count(contact.postcode) AS located_people,
        count(DISTINCT contact.postcode) AS postcodes
    FROM own
    LEFT JOIN contact ON contact.domain = own.domain
    GROUP BY own.domain
)
SELECT own.domain, own.account_id
FROM own
INNER JOIN people ON people.domain = own.domain
WHERE
    -- Where as many people of other companies have addresses, it is nobody's own.
    NOT (people.others_people > 0 AND people.others_people >= people.own_people)
    -- Many people who live in different places are customers of a mail provider that is a customer here.
    AND NOT (people.located_people >= 10 AND people.postcodes * 2 > people.located_people)
    -- Providers with an ending for every country, as in yahoo.de and yahoo.co.uk.
    AND NOT (
        split_part(own.domain, '.', 1) IN (
            'aol', 'fastmail', 'gmail', 'gmx', 'googlemail', 'hey', 'hotmail', 'hushmail', 'icloud', 'live', 'msn',
            'outlook', 'protonmail', 'rocketmail', 'tutanota', 'yahoo', 'yandex', 'ymail', 'zoho'
        )
        AND (own.domain NOT LIKE '%.%.%' OR split_part(own.domain, '.', 2) IN ('co', 'com'))
    )
    AND own.domain NOT IN (
        '126.com', '163.com', 'a1.net', 'alice.it', 'aon.at', 'arcor.de', 'att.net', 'bellsouth.net',
        'bigpond.com', 'bluewin.ch', 'blueyonder.co.uk', 'bol.com.br', 'btinternet.com', 'chello.at',
        'comcast.net', 'cox.net', 'duck.com', 'email.de', 'foxmail.com', 'free.fr', 'freenet.de', 'hetnet.nl',
        'hispeed.ch', 'home.nl', 'ig.com.br', 'inbox.lv', 'interia.pl', 'kabelmail.de', 'kpnmail.nl',
        'laposte.net', 'libero.it', 'mac.com', 'mail.com', 'mail.de', 'mail.ru', 'mailbox.org', 'me.com',
        'naver.com', 'netcologne.de', 'ntlworld.com', 'o2.pl', 'o2online.de', 'onet.pl', 'online.de', 'online.no',
        'optusnet.com.au', 'orange.fr', 'orange.net', 'planet.nl', 'pm.me', 'posteo.de', 'posteo.net', 'proton.me',
        'qq.com', 'rediffmail.com', 'rogers.com', 'sbcglobal.net', 'seznam.cz', 'sfr.fr', 'shaw.ca', 'sina.com',
        'sky.com', 'skynet.be', 'sunrise.ch', 'sympatico.ca', 't-online.de', 'talktalk.net', 'telenet.be',
        'telia.com', 'terra.com.br', 'tim.it', 'tiscali.it', 'tuta.com', 'tuta.io', 'unitybox.de', 'uol.com.br',
        'verizon.net', 'virgilio.it', 'virginmedia.com', 'vodafone.de', 'vodafonemail.de', 'wanadoo.fr', 'web.de',
        'wp.pl', 'xs4all.nl', 'xtra.co.nz', 'ziggo.nl'
    )
