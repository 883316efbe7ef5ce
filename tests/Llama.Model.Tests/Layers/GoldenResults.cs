using System.Text.Json;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>What an independent implementation computed from a checkpoint.</summary>
internal sealed record GoldenResults(int[] Tokens, float[][] Logits, int[] Greedy)
{
    public static GoldenResults Read(string file)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file));
        JsonElement root = json.RootElement;
        return new GoldenResults(
            root.GetProperty("tokens").Deserialize<int[]>()!,
            root.GetProperty("logits").Deserialize<float[][]>()!,
            root.TryGetProperty("greedy", out JsonElement greedy) ? greedy.Deserialize<int[]>()! : []);
    }

    /// <summary>Checkpoints that have golden results, in both formats; the last of them may lie beside the repository.</summary>
    public static TheoryData<string> Checkpoints()
    {
        var data = new TheoryData<string>();
        foreach (string folder in Directory.GetDirectories(TestPaths.Fixtures).Order())
        {
            foreach (string format in (string[])["meta", "hf"])
            {
                if (Directory.Exists(Path.Combine(folder, format))) data.Add($"{Path.GetFileName(folder)}/{format}");
            }
        }

        data.Add(BiasedModel.Name);
        data.Add("stories260K/meta");
        data.Add("stories260K/hf");
        return data;
    }

    /// <summary>The folder of a checkpoint named as in <see cref="Checkpoints"/>; skips the test where it is absent.</summary>
    public static string Folder(string name)
    {
        if (name == BiasedModel.Name) return BiasedModel.Folder;
        if (!name.StartsWith("stories260K", StringComparison.Ordinal)) return Path.Combine(TestPaths.Fixtures, name);
        string folder = Path.Combine(TestPaths.Beside, "models", name);
        Assert.SkipUnless(Directory.Exists(folder), $"{folder} is not there.");
        return folder;
    }
}
