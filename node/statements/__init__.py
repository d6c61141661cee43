"""Statements for accountants: what a brand owes and is owed in a period, as a page to print and a table.

    moment       the chain as of one height
    statement    what a statement says, and how it is asked of a node
    amounts      minor units as people write them
    html_page    the page: HTML that prints on A4 or as PDF
    csv_table    the table, whose columns are named after camt.053

docs/statements.md describes both files.
"""
