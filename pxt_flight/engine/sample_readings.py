"""The demo's sensor readings: weather stations that never stood anywhere, with the curves of a day and of a year."""

from datetime import datetime

import numpy as np
import pyarrow as pa

SEED = 8815
START = datetime(2024, 1, 1)  # noqa: DTZ001  numpy has no time zones; the column is declared UTC below
# 100,000 readings span 347 days: nearly all of the yearly curve.
STEP_MINUTES = 5

STATIONS = (
    *("Alder Point", "Ashby Moor", "Bellweir", "Birch Hollow", "Blackmere", "Brackwater", "Calder Bridge", "Cedar Flats"),
    *("Cold Harbour", "Copper Hill", "Dunmore", "Eastfen", "Elm Quay", "Fallow Heath", "Fernley", "Glass Lake"),
    *("Goose Neck", "Granite Pass", "Greywick", "Hawthorn Rise", "Heron Marsh", "High Tarn", "Juniper Ridge", "Kestrel Cliff"),
    *("Larkfield", "Long Sands", "Maple Ford", "Millrace", "North Spit", "Oakhanger", "Otter Creek", "Pine Barrow"),
    *("Quarry End", "Raven Stack", "Redwater", "Saltmarsh", "Stonebeck", "Thistledown", "Willow Reach", "Yarrow Hill"),
)


def readings(rows: int) -> pa.Table:
    """`rows` readings, the stations by turns and one every five minutes; the same rows give the same table.

    Columns: id (from 1), station, at (UTC), temperature (degrees Celsius; null where the station is offline, and now and then
    elsewhere), humidity (per cent), status ("ok", "calibrating", "offline").
    """
    random = np.random.default_rng(SEED)
    mean, swing = random.uniform(6, 14, len(STATIONS)), random.uniform(2, 6, len(STATIONS))
    number = np.arange(rows)
    station = number % len(STATIONS)
    at = np.datetime64(START, "us") + number * np.timedelta64(STEP_MINUTES, "m")
    days = number * STEP_MINUTES / (24 * 60)
    # Coldest on about 20 January and at 4 in the morning.
    yearly, daily = -np.cos(2 * np.pi * (days - 19) / 365.25), -np.cos(2 * np.pi * (days - 4 / 24))
    temperature = mean[station] + 9 * yearly + swing[station] * daily + random.normal(0, 0.8, rows)
    humidity = np.clip(80 - 1.3 * (temperature - mean[station]) + random.normal(0, 6, rows), 8, 100)
    status = random.choice(["ok", "calibrating", "offline"], size=rows, p=[0.96, 0.025, 0.015])
    missing = (status == "offline") | (random.random(rows) < 0.005)
    return pa.table(
        {
            "id": number + 1,
            "station": np.array(STATIONS)[station],
            "at": pa.array(at).cast(pa.timestamp("us", "UTC")),
            "temperature": pa.array(temperature.round(2), mask=missing),
            "humidity": humidity.round(1),
            "status": status,
        }
    )
