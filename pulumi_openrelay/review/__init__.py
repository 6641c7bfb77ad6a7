"""What a change of a program would do to machines, data and money, before anybody applies it.

`preview` asks the engine, `plan` types what it said, `market` asks the API for balance and
capacity, `risk` judges, and `markdown`, `sarif`, `page` and `report` tell it.
"""
