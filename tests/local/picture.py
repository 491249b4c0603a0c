"""Draws the template's dashboard with the figures of an invented day: docs/dashboard.svg.

What is drawn, and where, is the DashboardBody of template.yaml; only the figures are from here.
"""

import json
import re
from html import escape
from math import ceil, exp, log10
from random import Random

from aws import ROOT, STACK
from template import resources

PICTURE = ROOT / "docs" / "dashboard.svg"
COLUMN, ROW, GAP = 50, 44, 8
PERIODS = 96
INK, FAINT, LINE, GREEN, CARD, PAGE = "#16191f", "#5f6b7a", "#e4e7eb", "#1d8102", "#ffffff", "#f2f3f3"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
# The time at the right end, in hours.
NOW = 17

# The invented day: repositories are created in working hours, a sweep runs at three in the morning and another one when
# the configuration has changed, and for half an hour it was invalid.


def series(of):
    """A value for each quarter of an hour, the last one now."""
    random = Random(of.__name__)
    return [of((NOW + (number + 1) / 4) % 24, random) for number in range(PERIODS)]


def hump(hour, middle, width):
    return exp(-(((hour - middle) / width) ** 2))


def creations(hour, random):
    busy = hump(hour, 10.5, 2) + hump(hour, 14.5, 2)
    return max(round(random.uniform(0.4, 1.3) * 9 * busy), 1) if works(hour) else 0


def works(hour):
    """Where nothing is created, no seconds are measured."""
    return 8 <= hour <= 18


def half_within(hour, random):
    return random.uniform(9, 14) + 3 * hump(hour, 14.5, 2) if works(hour) else None


def most_within(hour, random):
    return random.uniform(24, 46) + 30 * hump(hour, 14.5, 1.5) if works(hour) else None


def slowest(hour, _random):
    return 96 if hour == 14.5 else None


def queued(hour, _random):
    return 4200 if hour in (3.25, 13.25) else 0


def swept(hour, _random):
    return {3.25: 2600, 3.5: 1600, 13.25: 1700, 13.5: 1650, 13.75: 850}.get(hour, 0)


def waiting(hour, _random):
    return {3.25: 96, 3.5: 31, 13.25: 112, 13.5: 71, 13.75: 12}.get(hour, 0)


def changed(hour, random):
    return creations(hour, random) + (round(swept(hour, random) * 0.97) if 13 < hour < 14 else 0)


def unchanged(hour, random):
    return swept(hour, random) - (round(swept(hour, random) * 0.97) if 13 < hour < 14 else 0)


def skipped(hour, random):
    return round(swept(hour, random) * 0.03)


def invalid(hour, _random):
    return {9.5: 6, 9.75: 9}.get(hour, 0)


def rejected(hour, _random):
    return 3 if hour == 13.5 else 0


def failed(hour, random):
    return invalid(hour, random) + rejected(hour, random)


def throttled(hour, _random):
    return {3.25: 14, 3.5: 9, 13.25: 38, 13.5: 33, 13.75: 12}.get(hour, 0)


def nothing(_hour, _random):
    return 0


SAMPLES = {
    ("Creations",): creations,
    ("SecondsToPolicy", "p50"): half_within,
    ("SecondsToPolicy", "p99"): most_within,
    ("SecondsToPolicy", "Maximum"): slowest,
    ("Applied",): changed,
    ("Unchanged",): unchanged,
    ("Skipped",): skipped,
    ("Queued",): queued,
    ("Swept",): swept,
    ("Failed",): failed,
    ("Failed", "ConfigurationInvalid"): invalid,
    ("Failed", "PolicyRejected"): rejected,
    ("Throttled",): throttled,
    ("Errors",): failed,
    ("ApproximateNumberOfMessagesVisible", "WorkQueue"): waiting,
}
UNKNOWN = f"the value of `/{STACK}/policy` cannot be used, and nothing was written: unknown template …"
LOG = [
    {
        "@timestamp": "13:31:07",
        "error_type": "PolicyRejected",
        "name": "legacy/reports",
        "error": "`legacy/reports`: the principal of the statement `OldScanner` was deleted; remove the statement …",
    },
    *(
        {"@timestamp": time, "error_type": "ConfigurationInvalid", "name": name, "error": UNKNOWN}
        for time, name in (("09:52:40", "pay/ledger"), ("09:41:55", "ci-cache/base"))
    ),
]
WIDE = {"@timestamp": 110, "error_type": 170, "name": 150, "error": 700}


def body():
    """The dashboard as the template has it, with every alarm, and names in the place of references."""
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    text, conditional = board["Properties"]["DashboardBody"]["Fn::Sub"]
    for name, choice in conditional.items():
        text = text.replace(f"${{{name}}}", choice["Fn::If"][1]["Fn::Sub"])
    return json.loads(re.sub(r"\$\{(\w+)[^}]*\}", r"\1", text))


def metrics(widget):
    """What a widget shows: label, colour, axis, statistic, and the day's figures."""
    properties, by_id = widget["properties"], {}
    for first, *rest in properties["metrics"]:
        if isinstance(first, dict):
            statistic, values = by_id[re.fullmatch(r"FILL\((\w+), 0\)", first["expression"])[1]]
            options = first
        else:
            name, options = rest[0], rest[-1]
            dimension = next(iter(rest[-2:-1]))
            statistic = options.get("stat", properties.get("stat"))
            sample = SAMPLES.get((name, statistic)) or SAMPLES.get((name, dimension))
            if sample is None and "ErrorType" not in rest:
                sample = SAMPLES.get((name,))
            values = series(sample or nothing)
            by_id[options.get("id")] = statistic, values
        if options.get("visible", True):
            yield options["label"], options["color"], options.get("yAxis", "left"), statistic, values


def text(x, y, content, size=13, colour=INK, weight=400, anchor="start"):
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(content)}</text>'
    )


def rectangle(x, y, width, height, fill, more=""):
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" fill="{fill}" {more}/>'


def number(value):
    return f"{value:,.1f}".rstrip("0").rstrip(".") if value < 10 else f"{value:,.0f}"


def markdown(widget, x, y, _width, _height):
    heading, *lines = widget["properties"]["markdown"].split("\n")
    yield text(x + 4, y + 36, heading.lstrip("# "), 25, weight=700)
    for count, line in enumerate(lines):
        yield text(x + 4, y + 66 + 22 * count, line, 16, FAINT)


def single_value(widget, x, y, width, height):
    shown = list(metrics(widget))
    step = width / len(shown)
    for count, (label, colour, _axis, statistic, values) in enumerate(shown):
        over_all = widget["properties"].get("setPeriodToTimeRange")
        values = [value for value in values if value is not None]
        if not over_all:
            value = values[-1]
        elif statistic == "Sum":
            value = sum(values)
        else:
            value = sorted(values)[len(values) // 2] if statistic == "p50" else max(values)
        unit = " s" if statistic.startswith("p") or (statistic == "Maximum" and over_all) else ""
        left = x + 16 + count * step
        yield rectangle(left, y + 46, 4, height - 62, colour)
        yield text(left + 13, y + 80, number(value) + unit, 32, INK, 600)
        yield text(left + 13, y + 106, label, 14, FAINT)


def alarms(widget, x, y, width, height):
    names = resources("AWS::CloudWatch::Alarm")
    listed = widget["properties"]["alarms"]
    columns, rows = 2, ceil(len(listed) / 2)
    step_x, step_y = (width - 32) / columns, (height - 52) / rows
    for count, name in enumerate(listed):
        left, top = x + 16 + count // rows * step_x, y + 44 + count % rows * step_y
        label = names[name]["Properties"]["AlarmName"]["Fn::Sub"].replace("${AWS::StackName}", STACK)
        yield rectangle(left, top, step_x - 10, step_y - 5, "#f0f8ee", f'stroke="{GREEN}" stroke-opacity="0.35" rx="3"')
        yield f'<circle cx="{left + 14:g}" cy="{top + step_y / 2 - 2.5:g}" r="5" fill="{GREEN}"/>'
        yield text(left + 28, top + step_y / 2 + 2, label, 13)


def ticks(top):
    """The lines of an axis: about four, at round figures."""
    scale = 10 ** int(log10(max(top, 1)))
    step = max(1, next(part * scale for part in (0.5, 1, 2, 5) if top <= 5 * part * scale))
    return [step * count for count in range(ceil(top / step) + 1)]


def time_series(widget, x, y, width, height):
    properties = widget["properties"]
    shown, stacked = list(metrics(widget)), properties.get("stacked")
    has_right = any(axis == "right" for _, _, axis, _, _ in shown)
    left, right = x + 62, x + width - (52 if has_right else 18)
    top, bottom = y + 62, y + height - 58
    layers, below = [], [0] * PERIODS
    for label, colour, axis, _statistic, values in shown:
        above = [low + value for low, value in zip(below, values, strict=True)] if stacked else values
        layers.append((label, colour, axis, below if stacked else [0] * PERIODS, above))
        below = above
    scales = {}
    for side, place, anchor in (("left", left - 8, "end"), ("right", right + 8, "start")):
        highest = [max(filter(None, above), default=0) for _, _, axis, _, above in layers if axis == side]
        if not highest:
            continue
        lines = ticks(max(highest))
        scales[side] = lines[-1]
        for value in lines:
            height_of = bottom - (bottom - top) * value / lines[-1]
            if side == "left":
                yield f'<path d="M{left:g} {height_of:.1f}H{right:g}" stroke="{LINE}"/>'
            yield text(place, height_of + 4, number(value), 12, FAINT, anchor=anchor)
        label = properties["yAxis"][side]["label"]
        spot, anchor = (x + 16, "start") if side == "left" else (x + width - 12, "end")
        yield text(spot, top - 12, label, 12, FAINT, anchor=anchor)

    def across(count):
        return left + (right - left) * count / (PERIODS - 1)

    for hour in range(0, 24, 3):
        count = (hour - NOW) % 24 * 4 - 1
        if count >= 0:
            yield text(across(count), bottom + 18, f"{hour:02}:00", 12, FAINT, anchor="middle")
    for _label, colour, axis, low, above in layers:

        def place(count, value, scale=scales[axis]):
            return f"{across(count):.1f} {bottom - (bottom - top) * value / scale:.1f}"

        line, pen = "", "M"
        for count, value in enumerate(above):
            line += "" if value is None else pen + place(count, value)
            pen = "M" if value is None else "L"
        if stacked:
            if not any(value > base for value, base in zip(above, low, strict=True)):
                continue
            back = "L".join(place(count, low[count]) for count in reversed(range(PERIODS)))
            yield f'<path d="{line}L{back}Z" fill="{colour}" fill-opacity="0.75" stroke="{colour}"/>'
        else:
            yield f'<path d="{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"/>'
    spot = x + 16
    lines = 0
    for label, colour, *_ in layers:
        wide = 22 + 6.8 * len(label)
        if spot + wide > x + width - 8:
            spot, lines = x + 16, lines + 1
        yield rectangle(spot, y + height - 32 + 17 * lines, 10, 10, colour)
        yield text(spot + 15, y + height - 23 + 17 * lines, label, 12)
        spot += wide + 10


def log(widget, x, y, width, _height):
    columns = re.search(r"display ([^|]+) \|", widget["properties"]["query"])[1].split(", ")
    left = x + 16
    for column in columns:
        yield text(left, y + 54, column, 13, FAINT, 600)
        for count, entry in enumerate(LOG):
            yield text(left, y + 80 + 25 * count, entry[column], 13)
        left += WIDE[column]
    for count in range(len(LOG)):
        yield f'<path d="M{x + 16:g} {y + 62 + 25 * count:g}H{x + width - 16:g}" stroke="{LINE}"/>'


def draw():
    widgets = body()["widgets"]
    width = 24 * COLUMN
    height = max(widget["y"] + widget["height"] for widget in widgets) * ROW + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}" role="img">',
        f"<title>The dashboard of {STACK}, with the figures of an invented day</title>",
        rectangle(0, 0, width, height, PAGE),
    ]
    for widget in widgets:
        x, y = widget["x"] * COLUMN + GAP / 2, widget["y"] * ROW + GAP / 2
        wide, high = widget["width"] * COLUMN - GAP, widget["height"] * ROW - GAP
        properties = widget["properties"]
        if widget["type"] != "text":
            parts.append(rectangle(x, y, wide, high, CARD, f'stroke="{LINE}" rx="6"'))
            parts.append(text(x + 16, y + 28, properties["title"], 16, weight=700))
        how = {"text": markdown, "alarm": alarms, "log": log}.get(widget["type"]) or {
            "singleValue": single_value,
            "timeSeries": time_series,
        }[properties["view"]]
        parts.extend(how(widget, x, y, wide, high))
    return "\n".join([*parts, "</svg>", ""])


def main():
    PICTURE.write_text(draw())
    print(f"{PICTURE.relative_to(ROOT)} shows the dashboard of template.yaml")


if __name__ == "__main__":
    main()
