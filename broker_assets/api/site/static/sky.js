// A map of the sky with survey images. The server's drawing stays where there is no WebGL 2, and images are left out where
// their server does not answer. Nothing but the chosen survey is asked.
const place = document.getElementById("sky"), said = document.getElementById("message"), where = document.getElementById("where");
const field = JSON.parse(place.dataset.field);
const framed = window.parent !== window;
document.body.classList.toggle("in-frame", framed);

async function answers(survey) {
  if (!survey) return false;
  try {
    const answer = await fetch(`${survey.replace(/\/$/, "")}/properties`, { signal: AbortSignal.timeout(6000), credentials: "omit", referrerPolicy: "no-referrer" });
    return answer.ok;
  } catch {
    return false;
  }
}

async function start() {
  if (!document.createElement("canvas").getContext("webgl2")) throw new Error("this browser has no WebGL 2");
  const survey = place.dataset.survey, usable = await answers(survey);
  const { default: A } = await import(place.dataset.aladin);
  await A.init;
  document.getElementById("drawn").hidden = true;
  place.hidden = false;
  // All of it: a window is wider than it is high.
  const shape = Math.max(1, place.clientWidth / place.clientHeight);
  const whole = new URL(location).searchParams.has("fov") ? field.width : Math.min(180, field.width * shape);
  const off = ["ShareControl", "LayersControl", "SimbadPointerControl", "GotoControl", "ProjectionControl", "ContextMenu", "SettingsControl", "CooGridControl", "FullscreenControl", "Frame", "ZoomControl", "CooLocation", "Fov", "StatusBar", "Reticle", "ColorPickerControl"];
  const map = A.aladin("#sky", {
    ...Object.fromEntries(off.map((name) => ["show" + name, false])),
    log: false, samp: false, hipsList: [], survey: usable ? survey : [], cooFrame: "ICRSd", projection: field.width > 60 ? "MOL" : "TAN",
    target: `${field.ra} ${field.dec}`, fov: whole, backgroundColor: "rgb(20, 20, 30)",
    showCooGrid: true, gridOptions: { enabled: true, color: "rgb(120, 130, 150)", opacity: usable ? 0.35 : 0.7, labelSize: 12, showLabels: true, thickness: 1 },
  });

  // The largest region is the palest.
  const colours = ["#8ab0ff", "#e2b04a", "#ff7b72"];
  field.regions.forEach((one, row) => {
    map.addMOC(A.MOCFromJSON(one.cells, { color: colours[row % 3], opacity: 0.25, fill: true, fillColor: colours[row % 3], edge: false, perimeter: true, lineWidth: 2, name: one.name }));
  });
  const circles = A.graphicOverlay({ color: "#ffffff", lineWidth: 1.5 });
  map.addOverlay(circles);
  for (const one of field.circles) circles.add(A.circle(one.ra, one.dec, one.arcsec / 3600));
  const looks = { object: ["#ffffff", "circle", 14], context: ["#e69f00", "square", 14], centre: ["#56b4e9", "cross", 26] };
  for (const [kind, [color, shape, sourceSize]] of Object.entries(looks)) {
    const catalogue = A.catalog({ name: kind, color, shape, sourceSize, displayLabel: kind === "context", labelColumn: "name", labelColor: "#ffffff", labelFont: "13px sans-serif" });
    map.addCatalog(catalogue);
    catalogue.addSources(field.points.flatMap((one, row) => (one.kind === kind ? [A.source(one.ra, one.dec, { name: one.name, row })] : [])));
  }
  map.on("objectClicked", (found) => choose(found && found.data ? found.data.row : -1));
  document.querySelectorAll(".needs-map").forEach((one) => (one.hidden = false));
  if (usable) said.textContent = "";
  else said.textContent = survey ? "Survey images are off: their server does not answer." : "Without survey images.";

  const at = () => map.getRaDec(), width = () => map.getFov()[0];
  const steps = { east: [1, 0], west: [-1, 0], north: [0, 1], south: [0, -1] };
  function act(what) {
    const [ra, dec] = at(), step = width() / 4;
    if (what === "in") map.setFov(width() / 2);
    else if (what === "out") map.setFov(Math.min(width() * 2, 180));
    else if (what === "reset") { map.gotoRaDec(field.ra, field.dec); map.setFov(whole); }
    else {
      const [east, north] = steps[what];
      const next = Math.max(-90, Math.min(90, dec + north * step));
      map.gotoRaDec((ra + (east * step) / Math.max(Math.cos((dec * Math.PI) / 180), 0.01) + 360) % 360, next);
    }
    show();
  }

  function choose(row) {
    document.querySelectorAll("tr.chosen").forEach((one) => one.classList.remove("chosen"));
    const found = document.querySelector(`tr[data-row="${row}"]`);
    if (!found) return;
    found.classList.add("chosen");
    found.scrollIntoView({ block: "nearest" });
    said.textContent = `Chosen: ${field.points[row].name}`;
  }

  let writing;
  function show() {
    const [ra, dec] = at(), fov = width();
    const size = fov < 1 / 60 ? `${(fov * 3600).toFixed(0)}″` : fov < 1 ? `${(fov * 60).toFixed(1)}′` : `${fov.toFixed(1)}°`;
    where.textContent = `RA ${ra.toFixed(5)} Dec ${dec < 0 ? "−" : "+"}${Math.abs(dec).toFixed(5)}, ${size} wide`;
    clearTimeout(writing);
    writing = setTimeout(() => {
      const address = new URL(location);
      address.searchParams.set("c", `${ra.toFixed(5)},${dec.toFixed(5)}`);
      address.searchParams.set("fov", fov.toPrecision(4));
      history.replaceState(null, "", address);
      document.getElementById("whole").href = address;
      for (const link of document.querySelectorAll("#images a")) {
        const target = new URL(link.href);
        for (const name of ["c", "fov"]) target.searchParams.set(name, address.searchParams.get(name));
        link.href = target;
      }
    }, 200);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]"), go = event.target.closest("[data-go]");
    if (button) act(button.dataset.do);
    if (go) {
      const one = field.points[go.dataset.go];
      map.gotoRaDec(one.ra, one.dec);
      choose(Number(go.dataset.go));
      show();
    }
  });
  map.on("positionChanged", show);
  map.on("zoomChanged", show);
  show();
  place.dataset.ready = usable ? "with images" : "without images";
}

start().catch((error) => {
  place.hidden = true;
  document.getElementById("drawn").hidden = false;
  said.textContent = `The map cannot be shown here (${error.message}); the drawing and the list have the same positions.`;
  place.dataset.ready = "drawn";
});
