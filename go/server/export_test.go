package server

// Routes are method and path of each, for the test that compares them with openapi.json.
func Routes(config Config) (routes []string) {
	s := newServer(config)
	for _, route := range s.routes() {
		routes = append(routes, route.method+" "+route.path)
	}
	return routes
}
