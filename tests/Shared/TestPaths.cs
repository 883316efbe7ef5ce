namespace Llama.Tests;

/// <summary>Where the files that tests read lie.</summary>
internal static class TestPaths
{
    /// <summary>The repository's root.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>The tiny random checkpoints.</summary>
    public static string Fixtures { get; } = Path.Combine(Root, "tests", "fixtures");

    /// <summary>The model that the project ships.</summary>
    public static string TinyStories { get; } = Path.Combine(Root, "models", "tinystories");

    /// <summary>Files that lie beside the repository on some machines only; tests that need them are skipped elsewhere.</summary>
    public static string Beside { get; } = Path.GetFullPath(Path.Combine(Root, "..", "shared"));

    private static string FindRoot()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Llama.sln"))) return folder;
        }

        throw new InvalidOperationException($"Llama.sln was not found above {AppContext.BaseDirectory}");
    }
}
