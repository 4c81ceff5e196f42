"""Writes the yearly sunspot numbers 1700 to 2008 of statsmodels to `sunspots.csv` next to this script.

Public domain. Source: NOAA National Geophysical Data Center, from the numbers of the SIDC, Royal Observatory of Belgium.

    pip install statsmodels==0.15.0
    python sunspots.py
"""

from pathlib import Path

from statsmodels.datasets import sunspots

data = sunspots.load_pandas().data
rows = (
    f"{year:.0f},{number}\n" for year, number in zip(data["YEAR"], data["SUNACTIVITY"])
)
Path(__file__).with_suffix(".csv").write_text("year,sunspots\n" + "".join(rows))
