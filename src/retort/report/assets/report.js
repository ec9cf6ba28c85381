// Draws the charts that the page describes in its data block, and adds what only a script can: legends that switch lines, a theme
// button, a copy button. Everything else on the page works without it.
(() => {
  'use strict';
  const root = document.documentElement;

  // The colours of the style sheet, as the browser resolves them in the theme of the moment.
  const probe = document.body.appendChild(document.createElement('i'));
  probe.hidden = true;
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const faded = (rgb, alpha) => rgb.replace('rgb(', 'rgba(').replace(')', `, ${alpha})`);

  const figures = (value) => {
    if (value === 0) return '0';
    const size = Math.abs(value);
    if (size < 1e-4 || size >= 1e7) return value.toExponential(2).replace('e-', 'e−').replace('e+', 'e').replace(/^-/, '−');
    return value.toLocaleString('en', { maximumSignificantDigits: 4 }).replace('-', '−');
  };

  // Bars start at zero. Where all of them are nearly as high, that would hide what they are for: dots on a free axis stand in.
  const asDots = (spec) => {
    const heights = spec.series.flatMap((series) => series.points.map((p) => p[1])).filter((y) => y !== null);
    return spec.kind === 'bars' && heights.length > 0 && Math.min(...heights) > 0.6 * Math.max(...heights);
  };

  // The dots of such bars, and the whiskers of those that know their spread.
  const marks = {
    id: 'marks',
    afterDatasetsDraw(chart) {
      const { ctx, scales } = chart;
      chart.data.datasets.forEach((set, s) => {
        if (!(set.errors || set.dot) || !chart.isDatasetVisible(s)) return;
        ctx.save();
        ctx.strokeStyle = set.dot ?? colour('ink');
        ctx.fillStyle = set.dot;
        ctx.lineWidth = 1.5;
        chart.getDatasetMeta(s).data.forEach((bar, i) => {
          const value = set.data[i], error = set.errors?.[i];
          if (value === null) return;
          ctx.beginPath();
          if (error > 0) {
            ctx.moveTo(bar.x, scales.y.getPixelForValue(value + error));
            ctx.lineTo(bar.x, scales.y.getPixelForValue(value - error));
            ctx.stroke();
          }
          if (set.dot) {
            ctx.beginPath();
            ctx.arc(bar.x, bar.y, 3.5, 0, 2 * Math.PI);
            ctx.fill();
          }
        });
        ctx.restore();
      });
    },
  };

  // Bands around lines, and tinted stretches of the x axis, behind everything else.
  const behind = (spec) => ({
    id: 'behind',
    beforeDatasetsDraw(chart) {
      const { ctx, scales: { x, y }, chartArea: area } = chart;
      ctx.save();
      ctx.beginPath();
      ctx.rect(area.left, area.top, area.width, area.height);
      ctx.clip();
      for (const [from, to, side] of spec.marks ?? []) {
        const left = x.getPixelForValue(from), right = x.getPixelForValue(to), width = Math.max(right - left, 3);
        const tint = colour(side > 0 ? 'series-4' : 'series-1');
        ctx.fillStyle = faded(tint, 0.12);
        ctx.fillRect((left + right - width) / 2, area.top, width, area.height);
        ctx.fillStyle = faded(tint, 0.9);
        ctx.fillRect((left + right - width) / 2, side > 0 ? area.top : area.bottom - 4, width, 4);
      }
      spec.series.forEach((series, s) => {
        if (!series.band || !chart.isDatasetVisible(s)) return;
        ctx.fillStyle = faded(colour(`series-${series.colour}`), 0.18);
        ctx.beginPath();
        series.points.forEach(([at], i) => ctx.lineTo(x.getPixelForValue(at), y.getPixelForValue(series.band[i][1])));
        [...series.points.keys()].reverse().forEach((i) => ctx.lineTo(x.getPixelForValue(series.points[i][0]), y.getPixelForValue(series.band[i][0])));
        ctx.fill();
      });
      ctx.restore();
    },
  });

  const dataset = (spec, series) => {
    const stroke = colour(`series-${series.colour}`);
    if (spec.kind === 'bars') {
      const dots = asDots(spec);
      return {
        label: series.name,
        data: series.points.map((p) => p[1]),
        errors: series.errors,
        borderRadius: 3,
        maxBarThickness: 44,
        backgroundColor: dots ? 'transparent' : faded(stroke, 0.75),
        dot: dots ? stroke : undefined,
        tip: stroke,
      };
    }
    const few = series.points.length <= 12;
    const data = series.points.map(([x, y]) => ({ x, y }));
    const base = { label: series.name, data, borderColor: stroke, pointBorderColor: stroke, borderWidth: 1.75, pointHitRadius: 8 };
    if (series.dashed) base.borderDash = [5, 4];
    if (spec.kind === 'scatter') {
      return { ...base, showLine: false, pointRadius: few ? 4 : 2.5, pointBackgroundColor: faded(stroke, 0.55), pointBorderWidth: 0 };
    }
    if (spec.kind === 'reliability') {
      const radius = series.weights ? series.weights.map((w) => 2.5 + 6.5 * Math.sqrt(w)) : 4;
      const point = { pointRadius: radius, pointHoverRadius: radius, pointBackgroundColor: faded(stroke, 0.3), pointBorderWidth: 1.25 };
      return { ...base, ...point, clip: false, borderColor: faded(stroke, 0.4) };
    }
    return { ...base, tension: few || series.band ? 0 : 0.15, pointRadius: series.points.length === 1 ? 4 : few ? 2 : 0, pointBackgroundColor: stroke };
  };

  // A logarithmic axis that ends where the lines end, with marks at the powers of ten, and between them when they are few.
  const logarithmic = (spec) => {
    const heights = spec.series.flatMap((series) => series.points.map((p) => p[1])).filter((y) => y > 0);
    const min = Math.min(...heights) * 0.85, max = Math.max(...heights) * 1.15;
    const decades = Math.log10(max / min), digits = decades > 3.2 ? [1] : decades > 1.6 ? [1, 3] : [1, 2, 5];
    const marks = [];
    for (let decade = Math.floor(Math.log10(min)); decade <= Math.log10(max); ++decade) {
      for (const digit of digits) marks.push(Number(`${digit}e${decade}`));
    }
    const afterBuildTicks = (axis) => {
      axis.ticks = marks.filter((mark) => mark >= min && mark <= max).map((value) => ({ value }));
    };
    return { type: 'logarithmic', min, max, afterBuildTicks };
  };

  const options = (spec) => {
    const tall = (value) => figures(value) + (spec.y === '%' ? '%' : '');
    const soft = colour('soft'), line = colour('line');
    const axis = (title) => ({
      title: { display: Boolean(title), text: title, color: soft },
      grid: { color: line, drawTicks: false, drawBorder: false },
      border: { display: false },
      ticks: { color: soft, padding: 6, maxRotation: 0, autoSkipPadding: 16 },
    });
    const x = axis(spec.x), y = axis(spec.y === '%' ? '' : spec.y);
    x.grid.display = spec.kind === 'scatter' || spec.kind === 'reliability';
    y.ticks.maxTicksLimit = 6;
    y.ticks.callback = tall;
    if (spec.kind === 'bars') {
      x.ticks.maxRotation = 45;
      x.ticks.autoSkip = spec.categories.length > 14;
      x.ticks.callback = (at) => (spec.categories[at].length > 20 ? `${spec.categories[at].slice(0, 19)}…` : spec.categories[at]);
      const ends = spec.series.flatMap((series) => series.points.flatMap(([, value], i) => {
        const error = series.errors?.[i] ?? 0;
        return value === null ? [] : [value - error, value + error];
      }));
      Object.assign(y, { beginAtZero: !asDots(spec), suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) });
    } else {
      x.type = 'linear';
      const ends = spec.series.flatMap((series) => series.band?.flat() ?? []);
      if (ends.length > 0) x.bounds = 'data';
      if (ends.length > 0) Object.assign(y, { suggestedMin: Math.min(...ends), suggestedMax: Math.max(...ends) });
      x.ticks.maxTicksLimit = 8;
      x.ticks.callback = figures;
    }
    if (spec.kind === 'reliability') {
      Object.assign(x, { min: 0, max: 1 });
      Object.assign(y, { min: 0, max: 1 });
    }
    if (spec.log_y) {
      Object.assign(y, logarithmic(spec));
      y.ticks.autoSkip = false;
    }
    return {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: ['lines', 'bars'].includes(spec.kind) ? { mode: 'index', intersect: false } : { mode: 'nearest', intersect: true },
      scales: { x, y },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: colour('ink'),
          titleColor: colour('paper'),
          bodyColor: colour('paper'),
          boxPadding: 4,
          padding: 9,
          cornerRadius: 6,
          filter: (item) => item.dataset.label !== undefined,
          callbacks: {
            title: ([item]) => (!item ? '' : spec.kind === 'bars' ? item.label : `${spec.x} ${figures(item.parsed.x)}`.trim()),
            labelColor({ dataset: { tip, pointBorderColor } }) {
              return { backgroundColor: tip ?? pointBorderColor, borderColor: 'transparent', borderRadius: 2 };
            },
            label: (item) => ` ${item.dataset.label ? `${item.dataset.label}: ` : ''}${tall(item.parsed.y)}`,
          },
        },
      },
    };
  };

  const config = (spec) => {
    const datasets = spec.series.map((series) => dataset(spec, series));
    if (spec.kind === 'reliability') {
      const diagonal = [{ x: 0, y: 0 }, { x: 1, y: 1 }];
      datasets.push({ data: diagonal, borderColor: colour('soft'), borderDash: [4, 4], borderWidth: 1, pointRadius: 0, pointHitRadius: 0 });
    }
    const bars = spec.kind === 'bars';
    const data = { labels: bars ? spec.categories : undefined, datasets };
    return { type: bars ? 'bar' : 'line', data, options: options(spec), plugins: [marks, behind(spec)] };
  };

  const block = document.getElementById('chart-data');
  const specs = block && window.Chart ? JSON.parse(block.textContent) : [];
  const charts = [];
  if (specs.length > 0) {
    Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
    Chart.defaults.font.size = 12;
  }
  for (const figure of specs.length > 0 ? document.querySelectorAll('[data-chart]') : []) {
    const spec = specs[Number(figure.dataset.chart)];
    const chart = new Chart(figure.querySelector('canvas'), config(spec));
    charts.push({ chart, spec });
    for (const entry of figure.querySelectorAll('.legend li')) {
      const series = Number(entry.dataset.series);
      const button = document.createElement('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', 'true');
      button.append(...entry.childNodes);
      button.addEventListener('click', () => {
        const shown = !chart.isDatasetVisible(series);
        chart.setDatasetVisibility(series, shown);
        button.setAttribute('aria-pressed', String(shown));
        chart.update();
      });
      entry.append(button);
    }
  }

  // Colours live in the canvas: a change of theme draws them anew.
  const repaint = () => {
    for (const { chart, spec } of charts) {
      const fresh = config(spec);
      fresh.data.datasets.forEach((set, i) => Object.assign(chart.data.datasets[i], set));
      chart.options = fresh.options;
      chart.update('none');
      chart.resize();
    }
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', repaint);
  const theme = document.getElementById('theme');
  theme.hidden = false;
  theme.addEventListener('click', () => {
    const isDark = root.dataset.theme ? root.dataset.theme === 'dark' : dark.matches;
    root.dataset.theme = isDark ? 'light' : 'dark';
    repaint();
  });

  for (const command of document.querySelectorAll('.command')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      const text = command.querySelector('code');
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(text);
      }
    });
    command.append(button);
  }

  // Paper is light and cannot be unfolded.
  let folded = [], before;
  addEventListener('beforeprint', () => {
    folded = [...document.querySelectorAll('details:not([open])')];
    for (const part of folded) part.open = true;
    before = root.dataset.theme;
    root.dataset.theme = 'light';
    repaint();
  });
  addEventListener('afterprint', () => {
    for (const part of folded) part.open = false;
    if (before === undefined) delete root.dataset.theme;
    else root.dataset.theme = before;
    repaint();
  });
})();
