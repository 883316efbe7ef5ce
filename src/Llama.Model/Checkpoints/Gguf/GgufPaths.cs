using System.Globalization;
using System.Text.RegularExpressions;
using Llama.Model.Checkpoints.HuggingFace;
using Llama.Model.Checkpoints.Meta;

namespace Llama.Model.Checkpoints.Gguf;

/// <summary>Where GGUF files lie. A large model's are split into parts named <c>name-00001-of-00003.gguf</c>.</summary>
internal static partial class GgufPaths
{
    private const int MostParts = 9999;

    /// <summary>
    /// The GGUF file that a path means, the first part if it is split: the file itself, or the only one of a folder that holds no
    /// other checkpoint. Null where the path means none.
    /// </summary>
    /// <exception cref="CheckpointException">The folder holds several.</exception>
    public static string? Find(string path)
    {
        if (File.Exists(path)) return Parts(path)[0];
        if (!Directory.Exists(path)
            || File.Exists(Path.Combine(path, MetaConfig.FileName))
            || File.Exists(Path.Combine(path, HuggingFaceConfig.FileName)))
        {
            return null;
        }

        string[] firsts = [.. Directory.EnumerateFiles(path, "*.gguf").Select(file => Parts(file)[0]).Distinct().Order(StringComparer.Ordinal)];
        return firsts.Length <= 1
            ? firsts.FirstOrDefault()
            : throw new CheckpointException(
                $"{path}: found {firsts.Length} GGUF models, expected one, or the path of one: "
                + string.Join(", ", firsts.Take(10).Select(Path.GetFileName)));
    }

    /// <summary>The paths of all parts that a file is one of, in order; whether they are there or not.</summary>
    public static IReadOnlyList<string> Parts(string file)
    {
        Match match = PartName().Match(Path.GetFileName(file));
        if (!match.Success) return [file];
        int count = int.Parse(match.Groups["count"].ValueSpan, CultureInfo.InvariantCulture);
        if (count is 0 or > MostParts) return [file];
        string folder = Path.GetDirectoryName(file) ?? "";
        string name = match.Groups["name"].Value;
        return [.. Enumerable.Range(1, count).Select(number => Path.Combine(
            folder, string.Create(CultureInfo.InvariantCulture, $"{name}-{number:00000}-of-{count:00000}.gguf")))];
    }

    /// <summary>A model's name as its file's name has it: without extension and number of the part.</summary>
    public static string NameOf(string file)
    {
        Match match = PartName().Match(Path.GetFileName(file));
        return match.Success ? match.Groups["name"].Value : Path.GetFileNameWithoutExtension(file);
    }

    [GeneratedRegex(@"^(?<name>.+)-(?<number>[0-9]{5})-of-(?<count>[0-9]{5})\.gguf$")]
    private static partial Regex PartName();
}
