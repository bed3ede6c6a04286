-- One row per opportunity.
SELECT
    id AS source_id,
    payload->>'$.Name' AS title,
    payload->>'$.ContactId' AS contact_id,
    payload->>'$.AccountId' AS company_id,
    payload->>'$.OwnerId' AS owner_id,
    payload->>'$.StageName' AS stage,
    CASE
        WHEN (payload->>'$.IsWon') = 'true' THEN 'won'
        WHEN (payload->>'$.IsClosed') = 'true' THEN 'lost'
        ELSE 'open'
    END AS status,
    payload->>'$.Amount' AS amount,
    payload->>'$.CurrencyIsoCode' AS currency,
    payload->>'$.Probability' AS probability_pct,
    payload->>'$.LeadSource' AS lead_source,
    -- Salesforce has no such fields of its own; they are filled where the company made some of these names.
    payload->>'$.Loss_Reason__c' AS lost_reason,
    payload->>'$.Order_Number__c' AS order_number,
    payload->>'$.CreatedDate' AS created_at,
    -- While an opportunity is open, its close date is the expected one.
    CASE WHEN (payload->>'$.IsClosed') = 'true' THEN NULL ELSE payload->>'$.CloseDate' END AS expected_close_date,
    -- The day of closing is what people enter; when the stage was changed is the moment.
    CASE
        WHEN (payload->>'$.IsClosed') = 'true'
            THEN coalesce(payload->>'$.LastStageChangeDate', payload->>'$.CloseDate')
    END AS closed_at
FROM raw.opportunities
