// Healthy is: takes writes. At the first start this is also what makes it a replica set.
const password = require("fs").readFileSync("/run/secrets/mongodb_root_password", "utf8").trim();
const admin = connect(`mongodb://root:${password}@127.0.0.1:27017/admin?directConnection=true`);

if (!admin.hello().setName) {
  admin.adminCommand({
    replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] },
  });
}
quit(admin.hello().isWritablePrimary ? 0 : 1);
