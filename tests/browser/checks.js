({
  // what reaches beyond the width of the page, without what scrolls by itself
  wide: (width) => [...document.querySelectorAll("body *")].filter((node) => {
    const box = node.getBoundingClientRect();
    for (let up = node; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.overflowX !== "visible" || style.position === "fixed") return false;
    }
    return box.width > 0 && box.right > width + 1;
  }).slice(0, 5).map((node) => `${node.tagName}.${node.className} to ${Math.round(node.getBoundingClientRect().right)}`),

  // what is to be pressed or filled in and lower than 44 px
  small: () => [...document.querySelectorAll("button, .act, summary, .places a, .bottom a, input, select")]
    .filter((node) => {
      const height = node.getBoundingClientRect().height;
      return height > 0 && height < 43.5 && node.checkVisibility() && !node.matches("[type=checkbox], [type=radio]");
    })
    .map((node) => `${node.tagName}.${node.className} ${node.textContent.trim().slice(0, 20)}: `
      + node.getBoundingClientRect().height),
})
