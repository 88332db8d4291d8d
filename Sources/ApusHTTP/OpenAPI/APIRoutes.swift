import ApusCore
import NIOCore
import NIOHTTP1

/// The API about itself: as a document for programs, as a page for people. Both are made once, from the routes.
enum APIRoutes {
    /// `routes` with the ones that describe them all.
    static func added(to routes: [Route], version: String) -> [Route] {
        // What is served has to be known to be described, and the description is served, too: first without content.
        let own = ["/openapi.json", "/docs", "/docs/style.css"]
        let document = APIDocument(
            routes: routes + own.map { serving(StaticFile(ByteBuffer(), type: ""), at: $0) }, version: version)
        return routes + [
            serving(StaticFile(document.encoded(), type: "application/json"), at: own[0]),
            serving(StaticFile(ByteBuffer(string: APIPage(document).html), type: StaticFile.html), at: own[1]),
            serving(StaticFile(ByteBuffer(string: APIPage.style), type: StaticFile.css), at: own[2]),
        ]
    }

    private static func serving(_ file: StaticFile, at path: String) -> Route {
        Route(method: .GET, pattern: path, access: .everyone) { exchange in file.reply(to: exchange) }
    }
}
