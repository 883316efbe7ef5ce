namespace Llama.AppHost;

/// <summary>The model that comes with the source.</summary>
internal static class ShippedModel
{
    private static readonly string RelativePath = Path.Combine("models", "tinystories");

    /// <summary>Its folder, looked for upwards from the program's folder, then from the current one; null where it is not there.</summary>
    public static string? Find()
        => Upwards(AppContext.BaseDirectory).Concat(Upwards(Directory.GetCurrentDirectory()))
            .Select(folder => Path.Combine(folder, RelativePath))
            .FirstOrDefault(Directory.Exists);

    private static IEnumerable<string> Upwards(string folder)
    {
        for (DirectoryInfo? current = new(folder); current is not null; current = current.Parent)
            yield return current.FullName;
    }
}
