// Runs before ReDoc on the page /redoc. ReDoc 2.5.4 shows its vendor's logo from the vendor's host and has no option against that; the
// policy of the page blocks it, with an error in the console. So an image of another host is not even asked for: it gets an empty one in
// its place, which ReDoc takes away as one that cannot be shown.
const shown = (url) => (["null", location.origin].includes(new URL(url, document.baseURI).origin) ? url : "data:,"); // null: of data
const image = HTMLImageElement.prototype;
const { set, ...rest } = Object.getOwnPropertyDescriptor(image, "src");
// React sets the attribute when it makes an image, and the property when it puts it into the page.
Object.defineProperty(image, "src", {
  ...rest,
  set(url) {
    set.call(this, shown(url));
  },
});
image.setAttribute = function (name, value) {
  Element.prototype.setAttribute.call(this, name, name === "src" ? shown(value) : value);
};
