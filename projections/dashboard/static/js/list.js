// The list of orders. See app.js for what the pages share.
