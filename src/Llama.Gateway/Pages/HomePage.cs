namespace Llama.Gateway.Pages;

/// <summary><c>GET /</c>: one page to try the model on and to see the pipeline. It asks no other server for anything.</summary>
internal static class HomePage
{
    private static readonly byte[] Html = Read();

    /// <summary>Answers with the page.</summary>
    /// <param name="context">The request.</param>
    /// <param name="cancellationToken">Cancelled when the client goes away.</param>
    public static async Task GetAsync(HttpContext context, CancellationToken cancellationToken)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        context.Response.Headers.CacheControl = "no-cache";
        context.Response.Headers.XContentTypeOptions = "nosniff";
        context.Response.Headers.ContentSecurityPolicy =
            "default-src 'none'; connect-src 'self'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
            + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
        await context.Response.Body.WriteAsync(Html, cancellationToken);
    }

    private static byte[] Read()
    {
        using var stream = typeof(HomePage).Assembly.GetManifestResourceStream("index.html")
            ?? throw new InvalidOperationException("The page index.html is missing from the assembly.");
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
