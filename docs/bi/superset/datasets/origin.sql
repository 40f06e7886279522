-- the periods after which a forecast was made: what the filter 预测起点 offers
select distinct period as 预测起点 from progress where forecast is not null and period = forecast_from
