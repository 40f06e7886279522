{{ config(materialized='view') }}
select * from {{ ref('observation') }} where known_to is null
