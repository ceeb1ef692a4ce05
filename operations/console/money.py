"""Amounts in minor units, as people write them."""

# ISO 4217: how many decimals a currency has, where it is not two.
_DECIMALS = {
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND",
         "VUV", "XAF", "XOF", "XPF"), 0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip


def written(amount_minor: int, currency: str) -> str:
    """Return an amount with its currency, as 1,234.50 USD; exact, never by way of a float."""
    decimals = _DECIMALS.get(currency, 2)
    whole, rest = divmod(abs(amount_minor), 10**decimals)
    sign = "\N{MINUS SIGN}" if amount_minor < 0 else ""
    fraction = f".{rest:0{decimals}}" if decimals else ""
    return f"{sign}{whole:,}{fraction} {currency}"
