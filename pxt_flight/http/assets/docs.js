// Starts Swagger UI on the page /docs. A file of its own, because the page allows no script inside of it.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "none",
  filter: true,
  validatorUrl: null, // a badge from another host
  persistAuthorization: false, // a key stays in the page, and is gone with it
});
