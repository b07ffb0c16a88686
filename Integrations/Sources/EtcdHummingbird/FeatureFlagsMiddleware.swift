// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns
public import Hummingbird

/// A request context with the flags of the request.
public protocol FlagsRequestContext: RequestContext {
    /// The flags, set by ``FeatureFlagsMiddleware``; without definitions before that.
    var flags: RequestFlags { get set }
}

/// The flags for one request: all evaluations use the definitions of one revision, and one context.
public struct RequestFlags: Sendable {
    /// The definitions.
    public var view: FlagView
    /// The user for whom flags are evaluated, and the attributes.
    public var context: FlagContext

    /// Makes the flags of a request.
    ///
    /// - Parameters:
    ///   - view: The definitions; none by default.
    ///   - context: The user for whom flags are evaluated, and the attributes.
    public init(_ view: FlagView = FlagView([:]), for context: FlagContext = FlagContext()) {
        self.view = view
        self.context = context
    }

    /// Whether a flag is on.
    ///
    /// - Parameter name: The name of the flag.
    /// - Returns: False also if there is no such flag.
    public func isEnabled(_ name: String) -> Bool { view.isEnabled(name, for: context) }

    /// The value of a flag.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: The value if there is no such flag, or one of another type.
    /// - Returns: The value.
    public func value<Value: FlagConvertible>(_ name: String, default fallback: Value) -> Value {
        view.value(name, default: fallback, for: context)
    }
}

/// Gives each request the flags of its user.
///
/// ```swift
/// router.add(middleware: FeatureFlagsMiddleware(flags) { request, _ in
///     FlagContext(request.headers[.init("X-User")!])
/// })
/// router.get("page") { _, context in context.flags.isEnabled("new-ui") ? "new" : "old" }
/// ```
public struct FeatureFlagsMiddleware<Context: FlagsRequestContext>: RouterMiddleware {
    private let flags: FeatureFlags
    private let context: @Sendable (Request, Context) -> FlagContext

    /// Makes the middleware.
    ///
    /// - Parameters:
    ///   - flags: The flags.
    ///   - context: The user of a request, and the attributes that rules look at.
    public init(
        _ flags: FeatureFlags,
        context: @escaping @Sendable (Request, Context) -> FlagContext = { _, _ in FlagContext() }
    ) {
        self.flags = flags
        self.context = context
    }

    /// Passes a request on with its flags.
    ///
    /// - Parameters:
    ///   - request: The request.
    ///   - context: The context of the request.
    ///   - next: Answers the request.
    /// - Returns: The answer.
    /// - Throws: The error of `next`.
    public func handle(
        _ request: Request,
        context: Context,
        next: @concurrent (Request, Context) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.flags = RequestFlags(flags.view, for: self.context(request, context))
        return try await next(request, context)
    }
}
