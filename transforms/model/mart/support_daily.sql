-- One row per day, channel and team of the helpdesk, quiet days included.
WITH ticket AS (
    SELECT
        coalesce(channel, '(unknown)') AS channel,
        coalesce(team, '(unknown)') AS team,
        created_date,
        -- A reopened ticket is not solved, whatever its last solution says.
        CASE WHEN NOT is_open THEN coalesce(solved_date, created_date) END AS done_date,
        first_reply_hours,
        resolution_hours,
        is_reopened,
        is_one_touch
    FROM core.ticket
),
cell AS (
    SELECT calendar.date, pair.channel, pair.team
    FROM (SELECT channel, team, min(created_date) AS first_date FROM ticket GROUP BY channel, team) AS pair
    CROSS JOIN meta.night AS night
    INNER JOIN core.calendar AS calendar ON calendar.date BETWEEN pair.first_date AND night.as_of
),
created AS (
    SELECT
        created_date AS date,
        channel,
        team,
        count(*) AS created_tickets,
        sum(CASE WHEN is_reopened THEN 1 ELSE 0 END) AS reopened_tickets,
        -- Exact sums, so that the order of the rows cannot change the last digit.
        CAST(sum(CAST(first_reply_hours AS DECIMAL(18, 6))) AS DOUBLE) / nullif(count(first_reply_hours), 0)
            AS average_first_reply_hours,
        median(first_reply_hours) AS median_first_reply_hours,
        sum(CASE WHEN first_reply_hours IS NULL THEN 1 ELSE 0 END) AS unanswered_tickets
    FROM ticket
    GROUP BY created_date, channel, team
),
done AS (
    SELECT
        done_date AS date,
        channel,
        team,
        count(*) AS solved_tickets,
        sum(CASE WHEN is_one_touch THEN 1 ELSE 0 END) AS one_touch_tickets,
        CAST(sum(CAST(resolution_hours AS DECIMAL(18, 6))) AS DOUBLE) / nullif(count(resolution_hours), 0)
            AS average_resolution_hours,
        median(resolution_hours) AS median_resolution_hours
    FROM ticket
    WHERE done_date IS NOT NULL
    GROUP BY done_date, channel, team
)
SELECT
    cell.date,
    cell.channel,
    cell.team,
    coalesce(created.created_tickets, 0) AS created_tickets,
    coalesce(done.solved_tickets, 0) AS solved_tickets,
    sum(coalesce(created.created_tickets, 0) - coalesce(done.solved_tickets, 0))
        OVER (PARTITION BY cell.channel, cell.team ORDER BY cell.date) AS backlog_tickets,
    coalesce(created.reopened_tickets, 0) AS reopened_tickets,
    coalesce(created.unanswered_tickets, 0) AS unanswered_tickets,
    coalesce(done.one_touch_tickets, 0) AS one_touch_tickets,
    created.average_first_reply_hours,
    created.median_first_reply_hours,
    done.average_resolution_hours,
    done.median_resolution_hours
FROM cell
LEFT JOIN created
    ON created.date = cell.date AND created.channel = cell.channel AND created.team = cell.team
LEFT JOIN done ON done.date = cell.date AND done.channel = cell.channel AND done.team = cell.team
