select r.*, w.withdrawn_at, w.role as withdrawn_by, w.why as withdrawn_why, true as synthetic
from {{ source('plan', 'received') }} r
left join {{ source('plan', 'withdrawal') }} w using (submission)
