// hls.js publishes the types of its light build under the full one's name only.
declare module "hls.js/light" {
  export * from "hls.js";
  export { default } from "hls.js";
}
