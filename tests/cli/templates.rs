//! `templates`.

command!(lists_them, "templates");
command!(lists_them_as_json, "templates --output json");
command!(shows_one, "templates organization-ou");
command!(shows_one_as_json, "templates deny-pull --output json");
command!(tells_the_nearest_name, "templates organisation-ou");
command!(tells_where_the_names_are, "templates everything");
