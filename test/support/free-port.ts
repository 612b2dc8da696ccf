export { freePort } from "@sallyport/deploy/demo/free-port";
