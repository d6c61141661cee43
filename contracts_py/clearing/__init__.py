"""Stand-in until clearing lands."""


class Clearing:
    """Nothing is booked."""

    def book(self, ctx, debtor, creditor, program, version, price, units, kind, ref) -> int:
        return units

    def book_reserved(self, ctx, debtor, creditor, program, version, price, units, kind, ref, reserved) -> int:
        return units

    def reserve(self, ctx, debtor, creditor, currency, amount) -> None: ...
    def release(self, ctx, debtor, creditor, currency, amount) -> None: ...
    def counter(self, ctx, debtor, creditor, currency, amount, kind, ref) -> None: ...
