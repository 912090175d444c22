# SPDX-License-Identifier: MIT
"""results.json as a table in Markdown and as a chart in SVG."""

COLOURS = {"twelvefs": "#1f6feb", "ext4": "#6e7781", "tmpfs": "#afb8c1",
           "rclone": "#cf7b00", "httpdirfs": "#8250df", "client": "#1a7f37"}


def seconds(value, limit):
    if value is None:
        return f"> {limit}"
    return f"{value:.3f}" if value < 1 else f"{value:.1f}"


def label(name, at):
    """A table's cell: the name in its first row alone."""
    return "" if at else f"`{name}`".replace("|", "\\|")


def programs_of(table):
    found = {}
    for by_program in table["work"].values():
        found.update(dict.fromkeys(by_program))
    return sorted(found, key=list(COLOURS).index)


def times(results, table):
    programs = programs_of(table)
    lines = ["| work | pass | " + " | ".join(programs) + " | ratio to ext4 |",
             "| --- | --- |" + " --- |" * (len(programs) + 1)]
    for name, by_program in table["work"].items():
        count = max(len(p["seconds"]) for p in by_program.values())
        for i in range(count):
            cells = []
            for program in programs:
                value = by_program.get(program, {}).get("seconds")
                cells.append("" if value is None else seconds(
                    value[i] if i < len(value) else None, results["limit_s"]))
            ratio = by_program["twelvefs"].get("ratio", [None] * count)[i]
            cells.append(f"{ratio:.2f}" if ratio else "")
            lines.append(f"| {label(name, i)} | {i + 1} | "
                         + " | ".join(cells) + " |")
    return lines


def counts(table):
    lines = ["| work | pass | FUSE operations | daemon's CPU, ms | "
             "bytes written |", "| --- | --- | --- | --- | --- |"]
    for name, by_pass in table["counts"].items():
        for i, used in enumerate(by_pass):
            operations = ", ".join(f"{v} {k.upper()}" for k, v in
                                   sorted(used["fuse"].items()))
            lines.append(
                f"| {label(name, i)} | {i + 1} | {operations or 0} | "
                f"{used['user_ms'] + used['system_ms']:.0f} | "
                f"{used['written']} |")
    return lines


def walk(assets, used):
    cpu_us = 1000 * (used["user_ms"] + used["system_ms"]) / int(assets)
    return (f"First walk: {used['requests']} list requests, {cpu_us:.0f} µs "
            f"of CPU and {used['written'] / int(assets):.0f} bytes written "
            "an asset.")


def table(results):
    lines = ["# Beside its peers", "",
             f"{results['version']}, kernel {results['kernel']}, "
             f"{results['processors']} processors; seconds, medians of "
             f"{results['runs']} interleaved runs (`scripts/bench/all`). "
             "rclone mount and httpdirfs mount the same files from nginx on "
             "loopback; client is the official client's own paging."]
    for assets, of_size in results["sizes"].items():
        lines += ["", f"## {int(assets):,} assets", "",
                  walk(assets, of_size["walk"]), "",
                  *times(results, of_size), "", *counts(of_size)]
    return "\n".join(lines) + "\n"


def draw(results, path):
    import matplotlib
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.fonttype": "none",
                                "svg.hashsalt": "twelvefs",
                                "font.size": 9})
    from matplotlib import pyplot

    sizes = sorted(results["sizes"], key=int)
    of_size = results["sizes"]["10000" if "10000" in sizes else sizes[0]]
    assets = next(s for s in sizes if results["sizes"][s] is of_size)
    bars = [(f"{name}\n" + ("from nothing" if len(entry["seconds"]) == 1 else
                            f"pass {i + 1}"), by_program, i)
            for name, by_program in of_size["work"].items()
            for entry in [by_program["twelvefs"]]
            for i in range(len(entry["seconds"])) if i < 2]
    programs = programs_of(of_size)
    figure, axes = pyplot.subplots(figsize=(11, 4.2))
    width = 0.84 / len(programs)
    for at, program in enumerate(programs):
        for slot, (_, by_program, i) in enumerate(bars):
            value = by_program.get(program, {}).get("seconds")
            if value is None:
                continue
            cut = i >= len(value) or value[i] is None
            axes.bar(slot + (at - (len(programs) - 1) / 2) * width,
                     results["limit_s"] if cut else value[i], width,
                     color=COLOURS[program], hatch="//" if cut else None,
                     edgecolor="white" if cut else None)
    axes.set_yscale("log")
    axes.set_ylabel("seconds (log)")
    axes.set_xticks(range(len(bars)), [label for label, _, _ in bars],
                    fontsize=7, rotation=40, ha="right")
    axes.legend([pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[p])
                 for p in programs], programs, ncol=len(programs),
                loc="lower left", bbox_to_anchor=(0, 1), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    http = " and over HTTP" if {"rclone", "httpdirfs"} & {*programs} else ""
    axes.set_title(f"{int(assets):,} assets: twelvefs beside the same tree "
                   f"on disk{http} (less is better)", loc="left", pad=24)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
