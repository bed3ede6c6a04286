-- One row per person record of a source, with the customer it belongs to and why.
SELECT
    record.record_id,
    assignment.customer_id,
    record.source,
    record.source_id,
    record.kind,
    record.full_name,
    record.email,
    record.phone,
    record.external_id,
    assignment.match_probability,
    assignment.evidence,
    record.is_deleted,
    record.created_at,
    record.updated_at
FROM identity.record AS record
INNER JOIN identity.assignment AS assignment ON assignment.record_id = record.record_id
