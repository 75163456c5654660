// What is on a page is listed beside its text, and folded up where there is no room beside it.

const contents = document.querySelector(".contents > details");
if (contents) contents.open = matchMedia("(min-width: 1150px)").matches;
