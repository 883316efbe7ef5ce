using System.Text.Json;
using System.Text.RegularExpressions;
using Llama.Model.Checkpoints.Files;

namespace Llama.Model.Checkpoints;

/// <summary>
/// Where a model lies in the caches of other programs: Hugging Face's (<c>models--ORG--NAME</c> with <c>refs</c> and <c>snapshots</c>, whose
/// files are links into <c>blobs</c>) and Ollama's (a manifest below <c>manifests</c>, which names a GGUF file in <c>blobs</c>).
/// </summary>
internal static partial class CachePaths
{
    private const string Snapshots = "snapshots";
    private const string Manifests = "manifests";
    private const string Prefix = "models--";
    private const string ModelLayer = "application/vnd.ollama.image.model";
    private const int LargestManifest = 1 << 20;

    /// <summary>A manifest lies at most so deep: registry, owner, model, tag.</summary>
    private const int ManifestDepth = 4;

    /// <summary>The folder or file of the model that a path means; the path itself where it is in no cache.</summary>
    /// <exception cref="CheckpointException">It is in a cache, and the model is not, or it is not told which of several.</exception>
    public static string Resolve(string path)
    {
        if (File.Exists(path)) return ModelsOf(path) is { } models ? BlobOf(path, models) : path;
        return IsRepository(path) ? SnapshotOf(path) : path;
    }

    /// <summary>What a model in a cache is called; null for a path in none.</summary>
    public static string? NameOf(string path)
    {
        path = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (File.Exists(path))
        {
            if (ModelsOf(path) is null) return null;
            (string model, string tag) = (Path.GetFileName(Path.GetDirectoryName(path)!), Path.GetFileName(path));
            return tag == "latest" ? model : $"{model}:{tag}";
        }

        DirectoryInfo? parent = Directory.GetParent(path);
        string? repository = IsRepository(path) ? path : parent?.Name == Snapshots && IsRepository(parent.Parent!.FullName) ? parent.Parent.FullName : null;
        return repository is null ? null : Path.GetFileName(repository).Split("--")[^1];
    }

    private static bool IsRepository(string path) =>
        Path.GetFileName(Path.TrimEndingDirectorySeparator(path)).StartsWith(Prefix, StringComparison.Ordinal)
        && Directory.Exists(Path.Combine(path, Snapshots));

    /// <summary>The snapshot of the main branch, or the only one.</summary>
    private static string SnapshotOf(string repository)
    {
        string main = Path.Combine(repository, "refs", "main");
        string commit = File.Exists(main) && new FileInfo(main).Length < 256 ? File.ReadAllText(main).Trim() : "";
        string snapshot = Path.Combine(repository, Snapshots, Path.GetFileName(commit));
        if (commit.Length > 0 && Directory.Exists(snapshot)) return snapshot;
        string[] all = Directory.GetDirectories(Path.Combine(repository, Snapshots));
        return all.Length == 1
            ? all[0]
            : throw new CheckpointException(
                $"{repository}: found {all.Length} snapshots and none that refs/main names, expected one, or the path of one below {Snapshots}");
    }

    /// <summary>Ollama's folder of models where a file is one of its manifests; else null.</summary>
    private static string? ModelsOf(string file)
    {
        DirectoryInfo? folder = Directory.GetParent(Path.GetFullPath(file));
        for (int depth = 0; depth < ManifestDepth && folder is not null; depth++, folder = folder.Parent)
        {
            if (folder.Name == Manifests && folder.Parent is { } models && Directory.Exists(Path.Combine(models.FullName, "blobs"))) return models.FullName;
        }

        return null;
    }

    private static string BlobOf(string manifest, string models)
    {
        string digest = ModelDigest(manifest);
        if (!Digest().IsMatch(digest)) throw new CheckpointException($"{manifest}: found digest {Excerpt.Of(digest)}, expected sha256: and 64 hexadecimal digits");
        string blob = Path.Combine(models, "blobs", digest.Replace(':', '-'));
        return File.Exists(blob) ? blob : throw new CheckpointException($"{blob}: the file, which {manifest} names, is missing");
    }

    private static string ModelDigest(string manifest)
    {
        if (new FileInfo(manifest).Length > LargestManifest) throw new CheckpointException($"{manifest}: expected a manifest of at most {LargestManifest} bytes");
        try
        {
            using var document = JsonDocument.Parse(File.ReadAllBytes(manifest));
            foreach (JsonElement layer in document.RootElement.GetProperty("layers").EnumerateArray())
            {
                if (layer.GetProperty("mediaType").GetString() == ModelLayer) return layer.GetProperty("digest").GetString() ?? "";
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw new CheckpointException($"{manifest}: found no manifest of Ollama: {Excerpt.Of(e.Message)}", e);
        }

        throw new CheckpointException($"{manifest}: found no layer {ModelLayer}: the manifest is not that of a GGUF model");
    }

    [GeneratedRegex("^sha256:[0-9a-f]{64}$")]
    private static partial Regex Digest();
}
