// Once, while the database is still empty: who the service is, and what it may do.
const password = require("fs").readFileSync("/run/secrets/mongodb_password", "utf8").trim();

db.getSiblingDB("demixer").createUser({
  user: "demixer",
  pwd: password,
  roles: [
    { role: "readWrite", db: "demixer" },
    { role: "dbAdmin", db: "demixer" },
  ],
});
