select cast('{{ var("as_of") }}' as timestamptz) as as_of
