// Runs once, while the database is empty: makes the user of the service, with the roles it needs.
const password = require("fs").readFileSync("/run/secrets/mongodb_password", "utf8").trim();

db.getSiblingDB("demixer").createUser({
  user: "demixer",
  pwd: password,
  roles: [
    { role: "readWrite", db: "demixer" },
    { role: "dbAdmin", db: "demixer" },
  ],
});
