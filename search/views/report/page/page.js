// What moves in the report: the charts (drawn by ECharts), the table of trials, the table of contents, and a page that is live.
"use strict";
(() => {
  let study, trials, brushed, charts;
  const table = {text: "", state: "", column: null, down: false, open: new Set()};  // outlives a page that is live
  const C = {ink: "var(--ink)", soft: "var(--soft)", faint: "var(--faint)", rule: "var(--rule)", accent: "var(--accent)", paper: "var(--paper)"};
  const DASHES = ["dashed", [6, 2, 1, 2], "dotted", [8, 2, 1, 2, 1, 2], [1, 4]];
  const say = (text, values) => study.words[text].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  const esc = text => String(text).replace(/[&<>"']/g, sign => `&#${sign.charCodeAt(0)};`);
  const number = value => value == null ? "–" : String(Math.abs(value) >= 1e5 ? value.toPrecision(4) : +value.toPrecision(4));
  const make = (tag, fields = {}, ...inside) => {
    const one = Object.assign(document.createElement(tag), fields);
    one.append(...inside);
    return one;
  };

  // Charts. Colours are variables of the style, so that dark pages and paper need nothing drawn anew.

  const axis = more => ({
    type: "value", nameLocation: "middle", nameGap: 26, nameTextStyle: {color: C.soft}, axisLine: {show: true, lineStyle: {color: C.soft}},
    axisTick: {show: true, lineStyle: {color: C.soft}}, axisLabel: {color: C.ink, hideOverlap: true}, splitLine: {show: false}, ...more});
  const placed = (ticks, more) => axis({
    min: 0, max: 1, axisLabel: {color: C.ink, hideOverlap: true, backgroundColor: C.paper, customValues: ticks.map(tick => tick[0]), formatter: at => {
      const near = ticks.reduce((one, other) => Math.abs(other[0] - at) < Math.abs(one[0] - at) ? other : one);
      return near[1];
    }}, axisTick: {show: true, customValues: ticks.map(tick => tick[0]), lineStyle: {color: C.soft}}, ...more});
  const tip = (more = {}) => ({
    className: "tip", confine: true, backgroundColor: C.paper, borderColor: C.faint, textStyle: {color: C.ink, fontSize: 12},
    transitionDuration: 0, extraCssText: "font-size: .8rem; line-height: 1.45; white-space: normal; max-width: min(26rem, 90vw); overflow-wrap: anywhere", ...more});
  const legend = {bottom: 0, left: "center", textStyle: {color: C.ink}, itemWidth: 24, itemHeight: 8, inactiveColor: C.faint, icon: undefined};
  const told = n => {
    const one = trials.get(n);
    const score = one.score == null ? "" : `<br>${esc(study.metric)} ${number(one.score)}`;
    const why = one.reason ? `<br>${esc((one.signature ? one.signature + ": " : "") + one.reason).slice(0, 400)}` : "";
    return `<b>${esc(one.title)}</b>${score}<br>${esc(one.params || "")}${why}`;
  };

  function draw(place, height, option) {
    const box = place.appendChild(make("div"));
    box.style.height = `${height}px`;
    const chart = echarts.init(box, null, {renderer: "svg"});
    const {tooltip, ...rest} = option;
    chart.setOption({animation: false, color: [C.ink], textStyle: {fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 11, color: C.ink}, tooltip: tip(tooltip), ...rest});
    charts.push(chart);
    return chart;
  }

  const pairs = (n, name = study.metric) => {
    const {x = [], y = {}} = trials.get(n).curve || {};
    return x.map((step, i) => [step, (y[name] || [])[i]]).filter(pair => pair[1] != null);
  };

  /** The curves nearest to the pointer, of which the nearest is the first. */
  function nearest(chart, sets) {
    let height = 0;
    chart.getZr().on("mousemove", event => { height = event.offsetY; });
    return found => {
      const [at] = found.filter(one => one.value), lines = found.filter(one => one.value && one.value[1] != null && sets[one.seriesIndex]);
      const far = one => Math.abs(chart.convertToPixel({yAxisIndex: 0}, one.value[1]) - height);
      lines.sort((one, other) => far(one) - far(other));
      const rows = lines.slice(0, 6).map(one => `${number(one.value[1])} ${esc(sets[one.seriesIndex])}`);
      const more = lines.length > 6 ? [esc(say("others", {n: lines.length - 6}))] : [];
      return at ? [`<b>${esc(study.unit)} ${at.value[0]}</b>`, ...rows, ...more].join("<br>") : "";
    };
  }

  const DRAW = {
    curve(place, data) {
      const series = [], names = [];
      const line = (n, style, more = {}) => {
        names.push(trials.get(n).title);
        series.push({type: "line", data: pairs(n), showSymbol: false, lineStyle: style, itemStyle: {color: style.color}, emphasis: {disabled: true}, ...more});
      };
      data.stopped.forEach(n => line(n, {color: C.faint, width: .7}, {z: 1}));
      data.others.forEach(n => line(n, {color: C.soft, width: .5, opacity: .45}, {z: 1}));
      data.lines.filter(n => n !== study.best).forEach((n, i) => line(n, {color: C.ink, width: 1.3, type: DASHES[i % 5]}, {name: trials.get(n).baseline, z: 3}));
      if (data.lines.includes(study.best)) {
        const star = pairs(study.best).filter(pair => pair[0] === data.star);
        line(study.best, {color: C.accent, width: 2.2}, {name: trials.get(study.best).title, z: 4});
        series.push({type: "scatter", data: star, symbol: STAR, symbolSize: 15, itemStyle: {color: C.accent}, z: 5});
        names.push(null);
      }
      const ends = data.stopped.map(n => pairs(n).at(-1)).filter(Boolean).map(([x, y]) => [x, Math.min(Math.max(y, data.low), data.high)]);
      series.push({type: "scatter", data: ends, symbol: CROSS, symbolSize: 7, itemStyle: {color: "none", borderColor: C.soft, borderWidth: 1}, z: 2});
      names.push(null);
      Object.entries(data.levels).forEach(([name, value], i) => {
        series.push({type: "line", name, data: [[1, value], [study.budget, value]], showSymbol: false, lineStyle: {color: C.ink, width: 1, type: DASHES[(i + data.lines.length) % 5]}, itemStyle: {color: C.ink}});
        names.push(name);
      });
      const chart = draw(place, 380, {
        grid: {left: 56, right: 12, top: 12, bottom: 74}, legend: {...legend, data: series.filter(one => one.name).map(one => ({name: one.name, lineStyle: one.lineStyle}))},
        xAxis: axis({name: study.unit, min: 1, max: "dataMax", minInterval: 1}), yAxis: axis({name: study.metric, nameGap: 42, min: data.low, max: data.high}),
        tooltip: {trigger: "axis", axisPointer: {lineStyle: {color: C.faint}}}, series});
      chart.setOption({tooltip: {formatter: nearest(chart, names)}});
    },
    predicted(place, data) {
      place.classList.add("many");
      data.trials.forEach(n => predictions(place, n));
    },
    parallel(place, data) {
      const {low, high} = data.score, span = high - low || 1;
      const shown = data.trials.map(n => trials.get(n));
      const row = one => [...data.axes.map((_, i) => one.at[i]), one.score == null ? null : Math.min(Math.max((one.score - low) / span, 0), 1)];
      const kind = (name, keep, style) => ({
        type: "parallel", name, lineStyle: style, inactiveOpacity: .04, activeOpacity: style.opacity, emphasis: {disabled: true}, smooth: .15,
        data: shown.filter(keep).map(one => ({value: row(one).map(value => value == null ? "-" : value), n: one.n})),
        tooltip: {formatter: at => told(at.data.n)}});
      const series = [
        kind("stopped", one => one.dead, {color: C.soft, width: 1, opacity: .5, type: "dashed"}),
        kind("ended", one => !one.dead && one.n !== study.best, {color: C.ink, width: 1.2, opacity: .65}),
        kind("best", one => one.n === study.best, {color: C.accent, width: 2.6, opacity: 1})];
      const ends = [0, .5, 1].map(at => [at, number(low + at * span)]);
      const axes = [...data.axes, {name: study.metric, ticks: ends}];
      const room = (place.clientWidth - 108) / (axes.length - 1), tight = axes.some(one => 8 * one.name.length > room);  // names in two rows then
      const narrow = room < 72;  // where values would stand upon the next axis: axes lie below each other, and names before them
      const layout = narrow ? {layout: "vertical", left: 106, right: 24, top: 12, bottom: 30} : {left: 44, right: 64, top: tight ? 52 : 34, bottom: 18};
      const naming = dim => narrow ? {nameLocation: "start", nameGap: 10, nameTruncate: {maxWidth: 92, ellipsis: "…"}}
        : {nameLocation: "end", nameGap: tight && dim % 2 ? 30 : 12, nameTruncate: {maxWidth: (tight ? 2 : 1) * room - 6, ellipsis: "…"}};
      const chart = draw(place, narrow ? 42 + 52 * (axes.length - 1) : tight ? 350 : 330, {
        tooltip: {trigger: "item"}, parallel: {...layout, parallelAxisDefault: {}},
        parallelAxis: axes.map((one, dim) => ({...placed(one.ticks, {}), dim, name: one.name, ...naming(dim), nameTextStyle: {color: C.ink, fontWeight: "bold"}, z: 20,
          areaSelectStyle: {width: 18, color: C.accent, borderColor: C.accent, opacity: .25}})),
        series});
      chart.on("axisareaselected", () => {
        const active = chart.getModel().getSeries().flatMap(one => one.getRawIndicesByActiveState("active").map(i => one.getRawData().getRawDataItem(i).n));
        const any = chart.getModel().queryComponents({mainType: "parallelAxis"}).some(one => one.activeIntervals.length);
        brushed = any ? new Set(active) : null;
        arrange();
      });
    },
    slices(place, data) {
      place.classList.add("many");
      data.slices.forEach(slice => {
        const points = keep => data.points.filter(([n]) => n in slice.places && keep(trials.get(n))).map(([n, y]) => ({value: [slice.places[n], y], n}));
        const dots = (symbol, size, style, keep, z) => ({type: "scatter", symbol, symbolSize: size, itemStyle: style, data: points(keep), z, cursor: "pointer",
          emphasis: {scale: 1.4}, tooltip: {formatter: at => told(at.data.n)}});
        const best = one => one.n === study.best;
        const chart = draw(place, 265, {
          title: {text: slice.name, left: 0, top: 0, textStyle: {fontSize: 12, color: C.ink}},
          grid: [{left: 50, right: 8, top: 26, height: 150}, {left: 50, right: 8, top: 190, height: 34}],
          xAxis: [{...placed(slice.ticks), gridIndex: 0, axisLabel: {show: false}}, {...placed(slice.ticks), gridIndex: 1}],
          yAxis: [axis({name: study.metric, nameGap: 38, min: data.low, max: data.high, splitNumber: 4, axisLabel: {showMinLabel: false, showMaxLabel: false, color: C.ink}}),
            axis({gridIndex: 1, min: 0, max: 1.5, axisLabel: {show: false}, axisTick: {show: false}, axisLine: {show: false}, name: study.words.died, nameGap: 6})],
          tooltip: {trigger: "item"},
          series: [
            dots(CROSS, 8, {color: "none", borderColor: C.soft, borderWidth: 1.2}, one => one.dead, 1),
            dots("circle", 8, {color: C.paper, borderColor: C.ink, borderWidth: 1}, one => !one.dead && !one.baseline && !best(one), 2),
            dots("diamond", 9, {color: C.ink}, one => one.baseline && !best(one), 3),
            dots(STAR, 16, {color: C.accent}, best, 4),
            {type: "bar", xAxisIndex: 1, yAxisIndex: 1, barWidth: `${80 / slice.cells}%`, itemStyle: {color: C.soft}, emphasis: {disabled: true},
              data: slice.dead.map(([at, dead, all]) => ({value: [at, dead / all], label: {show: true, position: "top", color: C.ink, fontSize: 9, formatter: `${dead}/${all}`}, text: say("dead", {n: dead, all})})),
              tooltip: {formatter: at => esc(at.data.text)}}]});
        chart.on("click", event => event.data.n != null && unfold(event.data.n, true));
      });
    },
    front(place, data) {
      const on = new Set(data.front), lead = study.best;
      const axes = [1, 0];  // of the objectives: across, and up
      let chart = null;
      const values = n => {
        const row = data.points.find(one => one[0] === n), fresh = data.fresh.find(one => one[0] === n);
        const rows = data.names.map((name, i) => `${esc(name)} ${number(row[1 + i])}${fresh ? ` (${esc(fresh[1][i])})` : ""}`);
        return `<b>${esc(trials.get(n).title)}</b><br>${rows.join("<br>")}<br>${esc(trials.get(n).params || "")}`;
      };
      const redraw = () => {
        const [x, y] = axes, at = row => [row[1 + x], row[1 + y]], known = row => at(row).every(value => value != null);
        const dots = data.points.filter(known);
        const across = dots.map(row => at(row)[0]), middle = (Math.min(...across) + Math.max(...across)) / 2;
        const line = dots.filter(([n]) => on.has(n)).map(at).sort((one, other) => one[0] - other[0] || one[1] - other[1]);
        const scatter = (rows, symbol, size, style, more = {}) => ({type: "scatter", symbol, symbolSize: size, itemStyle: style, cursor: "pointer",
          data: rows.map(row => ({value: at(row), n: row[0]})), tooltip: {formatter: point => values(point.data.n)}, ...more});
        const named = (position, formatter) => ({label: {show: true, position, formatter, color: C.ink, fontSize: 10}, labelLayout: {hideOverlap: true}});
        const option = {
          grid: {left: 64, right: 16, top: 22, bottom: 44}, tooltip: {trigger: "item"},
          xAxis: axis({name: data.names[x], scale: true}), yAxis: axis({name: data.names[y], nameGap: 46, scale: true}),
          series: [
            scatter(dots.filter(([n]) => !on.has(n)), "circle", 7, {color: C.paper, borderColor: C.soft}),
            {type: "line", step: data.goals[x] === "minimize" ? "end" : "start", showSymbol: false, silent: true,
              data: data.names.length === 2 ? line : [], lineStyle: {color: C.accent, width: 1.4}},
            scatter(dots.filter(([n]) => on.has(n) && n !== lead), "circle", 9, {color: C.accent}, named("top", point => String(point.data.n))),
            scatter(dots.filter(([n]) => n === lead), STAR, 16, {color: C.accent}, named("top", point => String(point.data.n))),
            {type: "scatter", symbol: "diamond", symbolSize: 10, itemStyle: {color: C.ink}, ...named("right", point => point.name),
              data: data.baselines.filter(known).map(row => ({value: at(row), name: row[0], label: {position: at(row)[0] > middle ? "left" : "right"}})),
              tooltip: {formatter: point => `<b>${esc(point.name)}</b><br>${esc(data.names[x])} ${number(point.value[0])}<br>${esc(data.names[y])} ${number(point.value[1])}`}}]};
        if (chart) return void chart.setOption(option);
        chart = draw(place, 360, option);
        chart.on("click", event => event.data.n != null && unfold(event.data.n, true));
      };
      const choose = (slot, arrow) => {
        const box = make("select", {onchange: () => { axes[slot] = Number(box.value); redraw(); }},
          ...data.names.map((name, i) => make("option", {value: i, selected: i === axes[slot]}, name)));
        return make("label", {}, arrow, box);
      };
      if (data.names.length > 2) place.append(make("p", {className: "tools"}, choose(0, "→ "), choose(1, "↑ ")));
      redraw();
    },
    effects(place, data) {
      DRAW.intervals(place, data);
    },
    intervals(place, {rows}) {
      const label = row => `<b>${esc(row[0])}</b><br>${number(row[2])} (${number(row[1])} … ${number(row[3])})`;
      draw(place, 60 + 26 * rows.length, {
        grid: {left: 190, right: 16, top: 6, bottom: 40}, tooltip: {trigger: "item"},
        xAxis: axis({name: study.metric, splitNumber: place.clientWidth < 480 ? 3 : 5}), yAxis: axis({type: "category", inverse: true, data: rows.map(row => row[0]), axisLine: {show: false}, axisTick: {show: false}, axisLabel: {color: C.ink, width: 178, overflow: "truncate"}}),
        series: [
          {type: "line", data: [[0, 0], [0, rows.length - 1]], showSymbol: false, lineStyle: {color: C.soft, width: 1}, silent: true},
          ...rows.map((row, i) => ({type: "line", data: [[row[1], i], [row[3], i]], showSymbol: false, silent: true, lineStyle: {color: C.accent, width: 2}})),
          {type: "scatter", symbolSize: 11, data: rows.map((row, i) => ({value: [row[2], i], itemStyle: {color: row[4] ? C.accent : C.paper, borderColor: C.accent, borderWidth: 1.5}})), tooltip: {formatter: at => label(rows[at.dataIndex])}}]});
    },
  };
  const CROSS = "path://M0,0L10,10M10,0L0,10", STAR = "path://M50,0L61,35H98L68,57L79,91L50,70L21,91L32,57L2,35H39Z";

  function predictions(place, n) {
    const {title, curve} = trials.get(n), classes = Object.keys(curve.predicted);
    draw(place, 260, {
      title: {text: title, left: 0, top: 0, textStyle: {fontSize: 12, color: C.ink}}, grid: {left: 46, right: 8, top: 28, bottom: 70},
      legend: {...legend, icon: "rect", itemWidth: 12, formatter: name => `${study.words.predicted} ${name}`}, tooltip: {trigger: "axis"},
      xAxis: axis({type: "category", data: curve.x, name: study.unit}), yAxis: axis({min: curve.from, max: value => value.max}),
      series: classes.map((name, i) => ({
        type: "bar", stack: "all", name, barCategoryGap: "4%", itemStyle: {color: `var(--c${i % 6 + 1})`}, emphasis: {disabled: true}, data: curve.predicted[name],
        markLine: i ? undefined : {silent: true, symbol: "none", label: {show: false}, lineStyle: {color: C.accent, type: "dashed"}, data: curve.levels.map(y => ({yAxis: y}))}}))});
  }

  function readings(place, n) {
    const {curve} = trials.get(n), names = Object.keys(curve.y || {}), losses = names.slice(1);
    draw(place, 260, {
      grid: {left: 50, right: losses.length ? 50 : 10, top: 28, bottom: 70}, legend: {...legend, data: names}, tooltip: {trigger: "axis"},
      xAxis: axis({name: study.unit, min: "dataMin", max: "dataMax", minInterval: 1}),
      yAxis: [axis({scale: true, name: names[0], nameGap: 38}), axis({scale: true, show: losses.length > 0})],
      series: names.map((name, i) => ({type: "line", name, data: pairs(n, name), yAxisIndex: i ? 1 : 0, symbolSize: 4, showSymbol: pairs(n, name).length < 3,
        itemStyle: {color: i ? C.soft : C.accent}, lineStyle: {color: i ? C.soft : C.accent, width: i ? 1.2 : 2, type: ["solid", "dashed", "dotted"][i]}}))});
  }

  // The table of trials

  const rows = () => [...document.querySelectorAll("#all-trials tbody tr:not(.detail)")];
  const cell = (row, column) => row.cells[column].textContent.trim();
  const measure = text => text === "" || text === "–" ? NaN : Number(text.replace("−", "-").replace(/%$/, ""));

  /** Sorts, filters and opens rows as `table` and the brush say. */
  function arrange() {
    const body = document.querySelector("#all-trials tbody");
    if (!body) return;
    const all = rows(), column = table.column, words = table.text.toLowerCase().split(/\s+/).filter(Boolean);
    const value = row => column === null ? row.trial : cell(row, column);
    const empty = text => text === "" || text === "–";
    const sign = table.down ? -1 : 1;
    all.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (column === null) return a - b;
      if (empty(a) || empty(b)) return empty(a) - empty(b) || one.trial - other.trial;  // what is not known comes last, either way
      const [x, y] = [measure(a), measure(b)];
      const order = !isNaN(x) && !isNaN(y) ? x - y : a.localeCompare(b, undefined, {numeric: true});
      return sign * order || one.trial - other.trial;
    });
    let left = 0;
    for (const row of all) {
      const one = trials.get(row.trial), text = row.textContent.toLowerCase();
      const keep = words.every(word => text.includes(word)) && (!table.state || one.state === table.state) && (!brushed || brushed.has(row.trial));
      row.hidden = !keep;
      left += keep;
      body.append(row);
      if (row.detail) { row.detail.hidden = !keep; row.after(row.detail); }
    }
    document.querySelectorAll("#all-trials th").forEach((head, i) => i === column ? head.ariaSort = table.down ? "descending" : "ascending" : head.removeAttribute("aria-sort"));
    const note = document.getElementById("left");
    note.textContent = left ? say("shown", {n: left, all: all.length}) : study.words.none;
    document.getElementById("reset").hidden = left === all.length && !table.text && !table.state && !brushed;
  }

  function tabulate() {
    const place = document.getElementById("all-trials"), head = place && place.querySelectorAll("th");
    if (!head || !head.length) return;
    const states = [...new Set(study.trials.map(one => one.state))];
    const search = make("input", {type: "search", placeholder: study.words.filter, value: table.text, oninput: () => { table.text = search.value; arrange(); }});
    search.setAttribute("aria-label", study.words.filter);
    const state = make("select", {onchange: () => { table.state = state.value; arrange(); }}, make("option", {value: ""}, study.words.all),
      ...states.map(name => make("option", {value: name}, rows().find(row => trials.get(Number(cell(row, 0))).state === name).cells[1].textContent)));
    state.value = table.state;
    state.setAttribute("aria-label", study.words.all);
    const reset = make("button", {id: "reset", type: "button", hidden: true, onclick: () => { Object.assign(table, {text: "", state: ""}); brushed = null; search.value = state.value = ""; unbrush(); arrange(); }}, study.words.reset);
    const span = make("span", {id: "left"});
    span.setAttribute("role", "status");
    place.prepend(make("div", {className: "tools"}, search, state, span, reset));
    head.forEach((one, i) => {
      one.replaceChildren(make("button", {type: "button", onclick: () => { table.down = table.column === i ? !table.down : i === 2 && study.goal === "maximize"; table.column = i; arrange(); }}, one.textContent));
    });
    for (const row of rows()) {
      row.trial = Number(cell(row, 0));
      const button = make("button", {type: "button", title: say("open", {n: row.trial}), onclick: () => unfold(row.trial)}, String(row.trial));
      button.ariaExpanded = "false";
      row.cells[0].replaceChildren(button);
    }
    arrange();
    const again = [...table.open];
    table.open.clear();
    again.filter(n => trials.has(n)).forEach(n => unfold(n));
  }

  function unbrush() {
    charts.filter(chart => chart.getOption().parallelAxis).forEach(chart => chart.getOption().parallelAxis.forEach((_, i) =>
      chart.dispatchAction({type: "axisAreaSelect", parallelAxisId: chart.getModel().getComponent("parallelAxis", i).id, intervals: []})));
  }

  /** Opens or closes the row of a trial; `show` opens it and goes there. */
  function unfold(n, show = false) {
    const row = rows().find(one => one.trial === n);
    if (!row) return;
    for (let one = row.closest("details"); one; one = null) one.open = true;
    const button = row.cells[0].querySelector("button");
    if (row.detail && !show) {
      row.detail.remove();
      row.detail = null;
      table.open.delete(n);
    } else if (!row.detail) {
      table.open.add(n);
      row.detail = make("tr", {className: "detail"}, make("td", {colSpan: row.cells.length}, make("div")));
      row.after(row.detail);
      describe(row.detail.querySelector("div"), trials.get(n));
    }
    row.classList.toggle("open", Boolean(row.detail));
    button.ariaExpanded = String(Boolean(row.detail));
    if (show) { row.hidden = false; row.scrollIntoView({block: "center"}); button.focus({preventScroll: true}); }
  }

  function describe(place, one) {
    const line = (head, text) => place.append(make("p", {}, make("b", {}, head), " ", text));
    const run = (head, command) => place.append(make("p", {}, head, " ", make("code", {}, command)));
    if (one.reason) line(one.signature ? `${one.signature}:` : "", one.reason);
    if (one.remedy) line(`${study.words.remedy}:`, one.remedy);
    if (one.warnings) place.append(make("p", {}, make("b", {}, `${study.words.warnings}:`)), make("ul", {}, ...one.warnings.map(text => make("li", {}, text))));
    if (one.curve) {
      const box = place.appendChild(make("div", {className: "charts"}));
      if (one.curve.y) readings(box, one.n);
      if (one.curve.predicted) predictions(box, one.n);
    }
    if (study.files) place.append(make("p", {}, make("a", {href: `trials/${String(one.n).padStart(4, "0")}/`}, study.words.files)));
    run(study.words.again, one.show);
    if (one.run) place.append(make("p", {}, study.words.mlflow, " ", make("a", {href: one.run}, study.words.run), " ", study.words.serves, " ", make("code", {}, study.ui)));
    else run(study.words.mlflow, study.ui);
    if (one.revive) run(study.words.revive, one.revive);
  }

  // The page

  function contents() {
    const links = new Map([...document.querySelectorAll("nav a")].map(link => [link.hash.slice(1), link]));
    const heads = [...document.querySelectorAll("h2 > a[id]")];
    const mark = () => {
      const past = heads.filter(head => head.getBoundingClientRect().top < innerHeight / 3);
      const bottom = innerHeight + scrollY >= document.body.scrollHeight - 4;
      const here = (bottom ? heads.at(-1) : past.at(-1) || heads[0] || {}).id;
      links.forEach((link, id) => { link.classList.toggle("here", id === here); link.ariaCurrent = id === here ? "true" : null; });
    };
    document.onscroll = mark;
    mark();
  }

  function start() {
    charts = [];
    brushed = null;
    study = JSON.parse(document.getElementById("study").textContent);
    trials = new Map(study.trials.map(one => [one.n, one]));
    for (const place of document.querySelectorAll(".chart")) DRAW[place.dataset.figure](place, study.figures[place.dataset.figure]);
    tabulate();
    contents();
    const opened = /^#trial-(\d+)$/.exec(location.hash);
    if (opened) unfold(Number(opened[1]), true);
  }

  /** Takes the page anew whenever the study has changed, and leaves what was opened, sorted and filtered. */
  async function follow(last) {
    const note = document.getElementById("live");
    try {
      const answer = await fetch(location.pathname, {headers: last ? {"If-None-Match": last} : {}, cache: "no-store"});
      if (answer.status === 200) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (last) {
          const top = scrollY;
          charts.forEach(chart => chart.dispose());
          for (const part of ["main", "#study"]) document.querySelector(part).replaceWith(next.querySelector(part));
          start();
          scrollTo(0, top);
        }
        last = answer.headers.get("ETag");
      }
      note.textContent = study.words.live;
    } catch {
      note.textContent = study.words.stale;
    }
    setTimeout(() => follow(last), 3000);
  }

  addEventListener("resize", () => charts.forEach(chart => chart.resize()));
  addEventListener("beforeprint", () => charts.forEach(chart => chart.resize({width: Math.min(chart.getWidth(), 660)})));
  addEventListener("afterprint", () => charts.forEach(chart => chart.resize({width: "auto"})));
  start();
  if (document.getElementById("live")) follow(null);
})();
