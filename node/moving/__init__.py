"""Moving an existing programme's members and dated balances onto a chain, and back (docs/moving-in.md).

rows        one record of the file: its columns, and what makes a row acceptable
records     the file as a stream of records, with their lines
paths       the files that an import names, and what it may write over
salt        the secret that turns a brand's member ids into commitments
plan        the rows on the disk, what became of each, and totals: constant memory, and the journal
chain       what the importer asks of a node
sending     rows as transactions, several in flight, each row paid once
surveying   what the chain has of the rows already
exporting   balances as of one height, as a file that can be imported
"""
