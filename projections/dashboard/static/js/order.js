// The page of one order. See app.js for what the pages share.
