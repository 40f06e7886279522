-- the ends of the months in which anything became known: what the filter 截至 offers
select distinct strftime(last_day(known_from), '%Y-%m-%d') as 截至 from observation
where last_day(known_from) <= (select built_at from release)
