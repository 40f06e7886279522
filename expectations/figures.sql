-- How a figure is read from a cell's text: figure(text) gives
--   struct(state 'figure' | 'none' | 'error', value DOUBLE, approximate BOOLEAN, suffix VARCHAR, rounding DOUBLE)
-- suffix is what follows the number and is not a multiplier (%, 个, 亿元 → 元): a unit stated with the figure.
-- rounding is half of the last digit stated: 8.0 is anything from 7.95 to 8.05, 1.3万 anything from 12500 to 13500.
-- Set-based on purpose: one pass over a column, whatever the spelling.

create or replace macro plain_text(t) as
  regexp_replace(translate(t, '０１２３４５６７８９．，％＋－−﹣（）／　〇', '0123456789.,%+---()/ 零'), '[\s\x{00a0}\x{feff}]', '', 'g');

-- the power of ten of a multiplier: read as part of the number, 2.01万 is exactly 20100
create or replace macro tens(t) as
  case t when '' then 0 when '十' then 1 when '百' then 2 when '千' then 3 when '万' then 4 when '十万' then 5
         when '百万' then 6 when '千万' then 7 when '亿' then 8 when '十亿' then 9 when '百亿' then 10
         when '千亿' then 11 when '万亿' then 12 end;

-- Chinese numerals, below 10,000; digits already translated to 0-9
create or replace macro chinese_section(t) as
  coalesce(try_cast(nullif(regexp_extract(t, '(\d)千', 1), '') as double), 0) * 1000
  + coalesce(try_cast(nullif(regexp_extract(t, '(\d)百', 1), '') as double), 0) * 100
  + case when contains(t, '十')
         then coalesce(try_cast(nullif(regexp_extract(t, '(\d)十', 1), '') as double), 1) * 10 else 0 end
  + coalesce(try_cast(nullif(regexp_extract(t, '(\d)$', 1), '') as double), 0);

create or replace macro chinese_below_yi(t) as
  case when contains(t, '万')
       then chinese_section(regexp_extract(t, '^(.*?)万', 1)) * 1e4 + chinese_section(regexp_extract(t, '万(.*)$', 1))
       else chinese_section(t) end;

create or replace macro chinese_number(t) as
  case when contains(t, '亿')
       then chinese_below_yi(regexp_extract(t, '^(.*?)亿', 1)) * 1e8 + chinese_below_yi(regexp_extract(t, '亿(.*)$', 1))
       else chinese_below_yi(t) end;

create or replace macro figure_of_words(s) as (
  with stripped as (
    select
      regexp_matches(s, '^(大约|约为|约)|[长加升高涨降少低滑落了]约|(左右|上下)$') as approximate,
      regexp_replace(regexp_replace(s, '^(大约|约为|约)', ''), '(左右|上下)$', '') as t
  ), signed as (
    select approximate,
      case when regexp_matches(t, '^(同比|比上年)?(下降|减少|降低|下滑|回落|降)了?') then -1 else 1 end as sign,
      regexp_replace(t, '^(同比|比上年)?(增长|增加|上升|提高|提升|上涨|下降|减少|降低|下滑|回落|降)了?(大约|约)?', '') as t,
      regexp_matches(t, '^(同比|比上年)?(增长|增加|上升|提高|提升|上涨|下降|减少|降低|下滑|回落|降)') as worded
    from stripped
  ), parted as (
    select *,
      regexp_extract(t, '^([+-]?)(\d{1,3}(?:,\d{3})+|\d+)?((?:\.\d+)?)((?:[eE][+-]?\d{1,3})?)((?:十|百|千)?(?:万亿|万|亿)?)([^\d+\-.,]*)$',
                     ['plus', 'whole', 'part', 'power', 'times', 'suffix']) as n,
      translate(regexp_extract(t, '^([零一二两三四五六七八九十百千万亿]+)([^零一二两三四五六七八九十百千万亿]*)$', 1),
                '零一二两三四五六七八九', '01223456789') as hanzi,
      regexp_extract(t, '^([零一二两三四五六七八九十百千万亿]+)([^零一二两三四五六七八九十百千万亿]*)$', 2) as hanzi_suffix
    from signed
  ), powered as (
    select *, coalesce(try_cast(substr(n.power, 2) as integer), 0) + tens(n.times) as exponent from parted
  )
  select case
    when regexp_matches(t, '^(与上年|同比)?持平$')
      then struct_pack(state := 'figure', value := 0.0::double, approximate := approximate, suffix := '', rounding := 0.05::double)
    when hanzi <> '' and hanzi not in ('百', '千', '万', '亿', '万亿', '百万', '千万')
      then struct_pack(state := 'figure', value := sign * chinese_number(hanzi), approximate := approximate, suffix := hanzi_suffix,
                       rounding := 0.5 * pow(10, tens(regexp_extract(hanzi, '(万亿|万|亿)$', 1))))
    when (n.whole <> '' or n.part <> '') and not (worded and n.plus <> '')
         and isfinite(try_cast(replace(n.whole, ',', '') || n.part || 'e' || exponent as double))
      then struct_pack(state := 'figure',
                       value := sign * case when n.plus = '-' then -1 else 1 end
                                * try_cast(replace(n.whole, ',', '') || n.part || 'e' || exponent as double),
                       approximate := approximate, suffix := n.suffix,
                       rounding := 0.5 * pow(10, exponent - greatest(length(n.part) - 1, 0)))
    else struct_pack(state := 'error', value := null::double, approximate := false, suffix := '', rounding := null::double)
  end from powered
);

create or replace macro plain_rounding(t) as
  0.5 * pow(10, case when contains(t, '.') then strpos(t, '.') - length(t) else 0 end);

create or replace macro figure(t) as
  case
    when t is null
      then struct_pack(state := 'none', value := null::double, approximate := false, suffix := '', rounding := null::double)
    when regexp_full_match(t, '-?\d{1,15}(\.\d{1,15})?')
      then struct_pack(state := 'figure', value := try_cast(t as double), approximate := false, suffix := '', rounding := plain_rounding(t))
    when plain_text(t) in ('', '-', '--', '—', '——', '–', '/', '无', '暂无', 'N/A', 'n/a', 'NA', '无数据', '缺')
      then struct_pack(state := 'none', value := null::double, approximate := false, suffix := '', rounding := null::double)
    else figure_of_words(plain_text(t))
  end;

-- How two figures compare: what a slip of magnitude it would be, and a change in words.
create or replace macro slip(value, usual, within) as
  case when usual is null or usual = 0 or value / usual <= 0 then null
       when value / usual between 1e2 / within and 1e2 * within then '×100'
       when value / usual between 1e4 / within and 1e4 * within then '×10000'
       when value / usual between 1e8 / within and 1e8 * within then '×100000000'
       when value / usual between 1e-2 / within and 1e-2 * within then '÷100'
       when value / usual between 1e-4 / within and 1e-4 * within then '÷10000'
       when value / usual between 1e-8 / within and 1e-8 * within then '÷100000000' end;

create or replace macro change_text(change, unit) as
  case when unit = 'points' then printf('%+.2f', change) else printf('%+.1f%%', (exp(change) - 1) * 100) end;
