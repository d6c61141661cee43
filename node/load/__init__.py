"""Load on a running network: units at a rate, or so many in flight, and what became of them (docs/load.md).

accounts    the accounts between which points move
clock       block time as the network's nodes tell it
units       kinds of units, and requests: signed transactions that are sent together
setup       the program, the campaign and the points that a load needs on the chain
tally       what became of the units: rate, latency, refusals
sending     one request, until all of it is final or refused
running     many requests: so many in flight (closed loop), or at a rate (open loop)

Invariants:
    1. Each unit that is sent is counted once: final, failed, refused, or unanswered when the run ends.
    2. Memory does not grow with the length of a run.
    3. What a full pool refuses is sent again, and counts as waited for.
"""
