//! `auth:` and `resources:` of a REST system.

use crate::config::keys::{Section, Shape, TEXTS, key};

const METHODS: &[&str] = &["post", "put", "patch"];
const NO: Shape = Shape::Word(&["false"]);

pub(crate) static AUTH: Section = Section {
    name: "auth",
    doc: "How a REST system knows us: one of these.",
    keys: &[
        key("bearer", Shape::Secret, "A token, sent as `Authorization: Bearer …`."),
        key("basic", Shape::Keys(&BASIC), "A user and a password."),
        key("header", Shape::Keys(&NAMED), "A header of its own."),
        key("query", Shape::Keys(&NAMED), "A parameter of the URL."),
        key("oauth2", Shape::Keys(&OAUTH2), "Tokens by OAuth2, sent as `Authorization: Bearer …`."),
    ],
    named: None,
    required: &[],
};

pub(crate) static BASIC: Section = Section {
    name: "basic",
    doc: "A user and a password.",
    keys: &[
        key("user", Shape::Text, "The user."),
        key("password", Shape::Secret, "Where the password is."),
    ],
    named: None,
    required: &["user", "password"],
};

pub(crate) static NAMED: Section = Section {
    name: "named_secret",
    doc: "A header or a parameter, and what it holds.",
    keys: &[
        key("name", Shape::Text, "Its name."),
        key("value", Shape::Secret, "Where its value is."),
    ],
    named: None,
    required: &["name", "value"],
};

pub(crate) static OAUTH2: Section = Section {
    name: "oauth2",
    doc: "Where access tokens come from: with a `refresh_token` by it, else by client credentials.",
    keys: &[
        key(
            "token_url",
            Shape::Text,
            "Where tokens are handed out; may be another host than the system. https, or this machine.",
        ),
        key("client_id", Shape::Text, "Who we are there."),
        key("client_secret", Shape::Secret, "Where the client's secret is."),
        key(
            "client_auth",
            Shape::Word(&["basic", "body"]),
            "How the client is proven: by `Authorization: Basic …` unless said, or in the `body`.",
        ),
        key("scope", Shape::Text, "What is asked for, with blanks between."),
        key("audience", Shape::Text, "For whom the token is."),
        key("parameters", Shape::Map(&Shape::Text), "What the server wants to be told besides."),
        key(
            "refresh_token",
            Shape::Secret,
            "Where the first refresh token is; its successors are kept beside the hub.",
        ),
    ],
    named: None,
    required: &["token_url", "client_id"],
};

/// A resource.
pub(crate) static RESOURCE: Section = Section {
    name: "resource",
    doc: "A kind of items of a REST system.",
    keys: &[
        key(
            "path",
            Shape::Text,
            "Where it is listed, after the system's URL; may hold parameters.",
        ),
        key("items", Shape::Text, "Where the items are in a list; unsaid: the answer is the list."),
        key(
            "item",
            Shape::Text,
            "Where one item is, in answers and in what is sent; unsaid: it is all of it.",
        ),
        key("key", TEXTS, "What tells items apart: a path in the item, or several."),
        key(
            "cursor",
            Shape::Text,
            "When an item last changed: a path in the item. It is also the `changed_at` of what lives there where `newest` asks \
             for one.",
        ),
        key(
            "since",
            Shape::Text,
            "The parameters that list what changed: `updated_since={cursor}`; unsaid: all is listed.",
        ),
        key(
            "overlap",
            Shape::Text,
            "How far back is listed again: a time span, or a number for a cursor that counts; 5m.",
        ),
        key(
            "next",
            Shape::Either(&[Shape::Word(&["link_header"]), Shape::Keys(&NEXT)]),
            "How one gets to the next page; unsaid: there is one.",
        ),
        key("size", Shape::Map(&Shape::Count), "The parameter for the items a page: {limit: 100}."),
        key(
            "total",
            Shape::Either(&[Shape::Text, Shape::Keys(&TOTAL)]),
            "Where a list says how many items there are: a path in the answer, or a header.",
        ),
        key(
            "absent",
            Shape::Word(&["null"]),
            "A member that an item of a list lacks is null; unsaid: the item itself is asked.",
        ),
        key("get", Shape::Text, "Where one item is; unsaid: `PATH/{KEY}`."),
        key(
            "write",
            Shape::Keys(&REQUEST),
            "One request that creates and changes, instead of `create` and `update`.",
        ),
        key(
            "create",
            Shape::Either(&[NO, Shape::Word(&["post", "put"]), Shape::Keys(&CREATE)]),
            "How an item is created; POST to `path` unless said, `false`: not at all.",
        ),
        key(
            "update",
            Shape::Either(&[NO, Shape::Word(METHODS), Shape::Keys(&UPDATE)]),
            "How an item is changed: `patch` sends what changes, `put` the whole item as it was read \
             with the changes; PATCH to `get` unless said, `false`: not at all.",
        ),
        key(
            "delete",
            Shape::Either(&[Shape::Bool, Shape::Keys(&DELETE)]),
            "How an item is deleted; DELETE to `get` unless said, `false`: not at all.",
        ),
        key(
            "bulk",
            Shape::Keys(&BULK),
            "Requests that write many items at once; unsaid: each item has its own.",
        ),
        key(
            "version",
            Shape::Either(&[Shape::Word(&["etag"]), Shape::Keys(&VERSION)]),
            "What the server compares before it writes; unsaid: items are read and compared first.",
        ),
        key(
            "gone",
            Shape::List(&Shape::Count),
            "Statuses that mean that there is no such item; [404, 410] unless said.",
        ),
    ],
    named: None,
    required: &["path", "key"],
};

pub(crate) static NEXT: Section = Section {
    name: "next",
    doc: "How one gets to the next page: one of these.",
    keys: &[
        key("url", Shape::Text, "The path of the next page's URL in the answer."),
        key("cursor", Shape::Text, "The path of the next page's cursor in the answer."),
        key("param", Shape::Text, "The parameter that takes the `cursor`."),
        key("page", Shape::Text, "The parameter that counts pages."),
        key("first", Shape::Count, "The number of the first page; 1 unless said."),
        key("offset", Shape::Text, "The parameter that counts items."),
        key("after", Shape::Text, "The parameter that takes the key of the last item."),
    ],
    named: None,
    required: &[],
};

pub(crate) static TOTAL: Section = Section {
    name: "total",
    doc: "A header that says how many items there are.",
    keys: &[key("header", Shape::Text, "The header.")],
    named: None,
    required: &["header"],
};

pub(crate) static REQUEST: Section = Section {
    name: "request",
    doc: "A method and a path after the system's URL: one of these.",
    keys: &[
        key("post", Shape::Text, "POST."),
        key("put", Shape::Text, "PUT."),
        key("patch", Shape::Text, "PATCH."),
    ],
    named: None,
    required: &[],
};

pub(crate) static UPDATE: Section = Section {
    name: "update",
    doc: "A method and a path after the system's URL, one of these, and what is sent there.",
    keys: &[
        key("post", Shape::Text, "POST."),
        key("put", Shape::Text, "PUT."),
        key("patch", Shape::Text, "PATCH."),
        key(
            "sends",
            Shape::Word(&SENDS),
            "Only the `changes`, or the whole `item` as it was read with the changes in it; with PUT the item \
             unless said, else the changes.",
        ),
    ],
    named: None,
    required: &[],
};

/// As the file says what a change sends.
pub(crate) const SENDS: [&str; 2] = ["changes", "item"];

pub(crate) static DELETE: Section = Section {
    name: "delete",
    doc: "A method and a path after the system's URL: one of these.",
    keys: &[
        key("delete", Shape::Text, "DELETE."),
        key("post", Shape::Text, "POST."),
        key("put", Shape::Text, "PUT."),
        key("patch", Shape::Text, "PATCH."),
    ],
    named: None,
    required: &[],
};

pub(crate) static CREATE: Section = Section {
    name: "create",
    doc: "How an item is created, and how it is found again if the answer is lost.",
    keys: &[
        key("post", Shape::Text, "POST to this path; to that of the list unless said."),
        key("put", Shape::Text, "PUT to this path."),
        key("patch", Shape::Text, "PATCH to this path."),
        key(
            "idempotency",
            Shape::Text,
            "The header that makes it safe to send again: `Idempotency-Key`.",
        ),
        key("external_id", Shape::Text, "A member of the item that takes the record's number."),
        key(
            "find",
            Shape::Text,
            "Parameters of the list that find the item first: `email={email}`.",
        ),
    ],
    named: None,
    required: &[],
};

pub(crate) static BULK: Section = Section {
    name: "bulk",
    doc: "Requests that write many items at once.",
    keys: &[
        key("create", Shape::Keys(&BULK_REQUEST), "How many items are created by one request."),
        key("update", Shape::Keys(&BULK_REQUEST), "How many items are changed by one request."),
    ],
    named: None,
    required: &[],
};

pub(crate) static BULK_REQUEST: Section = Section {
    name: "bulk_request",
    doc: "A method and a path after the system's URL, one of these, and what is said of each item.",
    keys: &[
        key("post", Shape::Text, "POST."),
        key("put", Shape::Text, "PUT."),
        key("patch", Shape::Text, "PATCH."),
        key("items", Shape::Text, "Where the items are in what is sent; unsaid: the list is it."),
        key("results", Shape::Text, "Where the results are in the answer; unsaid: the list is it."),
        key("size", Shape::Count, "The most items of one request; 50 unless said."),
        key(
            "by",
            Shape::Word(&RESULTS_BY),
            "Whose result is whose: by its `position` unless said, or by the `key` of the item in it.",
        ),
        key("status", Shape::Text, "Where in a result its HTTP status is."),
        key("item", Shape::Text, "Where in a result the item is; unsaid: it is all of it."),
        key("error", Shape::Text, "Where in a result stands why it was refused."),
    ],
    named: None,
    required: &[],
};

/// As the file says whose result is whose.
pub(crate) const RESULTS_BY: [&str; 2] = ["position", "key"];

pub(crate) static VERSION: Section = Section {
    name: "version",
    doc: "A member that counts the versions of an item.",
    keys: &[key("field", Shape::Text, "Its path in the item.")],
    named: None,
    required: &["field"],
};
