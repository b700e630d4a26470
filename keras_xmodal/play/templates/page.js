() => {
  // The fields of words say what they are to those who do not see them.
  const name = () => {
    for (const bar of document.querySelectorAll(".multimodal-textbox")) {
      const field = bar.querySelector("textarea:not([aria-label])");
      const label = bar.querySelector("[data-testid='block-info']");
      if (field && label) field.setAttribute("aria-label", label.innerText);
    }
  };
  new MutationObserver(name).observe(document.body, {
    childList: true,
    subtree: true,
  });
  name();
}
