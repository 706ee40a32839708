const SVG = "http://www.w3.org/2000/svg";

const PATHS = {
  send: "M4 12 20 4l-5 16-3.5-6.5z",
  check: "M4.5 12.5 9.5 17.5 19.5 7",
  failed: "M12 7.5v5.5M12 16.5v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  sending: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  back: "M15 5 8 12l7 7",
  plus: "M12 5v14M5 12h14",
  people:
    "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7M2.5 19.5c.4-3.6 2.9-5.5 6.5-5.5s6.1 1.9 6.5 5.5M16 4.3a3.5 3.5 0 0 1 0 6.5M17.5 14.3c2.3.6 3.7 2.4 4 5.2",
  close: "M6 6l12 12M18 6 6 18",
  down: "M6 9.5 12 15.5 18 9.5",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  sun:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M5.3 18.7l1.4-1.4M17.3 6.7l1.4-1.4",
  leave: "M14 4h5v16h-5M3.5 12H14M10 8l4 4-4 4",
  /** Wings over a wave. */
  bird:
    "M1.5 8.5C5.5 4.5 9.5 5.6 12 10.2c2.5-4.6 6.5-5.7 10.5-1.7-3.8-.9-6.9.9-8.6 4.5-.6 1.3-1 1.9-1.9 1.9s-1.3-.6-1.9-1.9C8.4 9.4 5.3 7.6 1.5 8.5z|M5 20.2c1.2-.9 2.3-.9 3.5 0s2.3.9 3.5 0 2.3-.9 3.5 0 2.3.9 3.5 0",
} as const;

/** A line drawing; what it means is said by the text or label beside it. */
export function icon(name: keyof typeof PATHS, size = 20): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": true })) {
    svg.setAttribute(key, String(value));
  }
  svg.classList.add("icon", `icon-${name}`);
  for (const line of PATHS[name].split("|")) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    svg.append(path);
  }
  return svg;
}
