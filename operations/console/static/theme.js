// Before the page is drawn: the theme that was chosen, and that there is JavaScript at all.
"use strict";
document.documentElement.classList.add("script");
const chosenTheme = localStorage.getItem("theme");
if (chosenTheme) document.documentElement.dataset.theme = chosenTheme;
