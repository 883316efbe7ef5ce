using Llama.Model.Checkpoints.Files;
using Llama.Model.Weights;

namespace Llama.Model.Checkpoints.Meta;

/// <summary>A checkpoint in Meta's format: every shard holds a part of every matrix.</summary>
internal sealed class MetaCheckpoint : FileCheckpoint
{
    private readonly IReadOnlyList<string> paths;
    private readonly TensorCheck check;
    private readonly TorchFile?[] files;

    private MetaCheckpoint(IReadOnlyList<string> paths, TensorCheck check)
    {
        this.paths = paths;
        this.check = check;
        files = new TorchFile?[paths.Count];
    }

    /// <summary>Opens a folder. The first shard, if it is there, is asked for what <c>params.json</c> does not say.</summary>
    /// <exception cref="CheckpointException">The configuration or the first shard cannot be used.</exception>
    public static MetaCheckpoint OpenFolder(string folder, CheckpointOptions options)
    {
        IReadOnlyList<string> paths = ShardFiles.Find(folder);
        TorchFile? file = paths.Count > 0 ? new TorchFile(paths[0]) : null;
        try
        {
            FirstShard? first = file is null ? null : new FirstShard(file, paths.Count);
            var assumptions = new List<string>();
            ModelConfig config = MetaConfig.Read(folder, options, first, assumptions);
            var check = new TensorCheck(config, name => name, IsIgnored);
            if (file is not null) check.RefuseOthers(file.Path, file.Names);
            var checkpoint = new MetaCheckpoint(paths, check)
            {
                Path = folder,
                Config = config,
                Assumptions = assumptions,
                WeightType = first?.WeightType ?? ElementType.BF16,
                WeightName = first?.WeightType.ToString(),
            };
            if (file is not null) checkpoint.files[0] = file;
            return checkpoint;
        }
        catch
        {
            file?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>Meta's models have none, and how they would be split over shards nothing says.</remarks>
    internal override bool MayHaveBias(string name) => false;

    /// <inheritdoc/>
    protected override IReadOnlyList<StoredTensor> Find(string name)
    {
        if (paths.Count == 0)
        {
            throw new CheckpointException(
                $"{Path}: {ShardFiles.NameOf(0)}, needed for tensor {name}, is missing; "
                + $"the folder holds {CheckpointFolder.Contents(Path)}");
        }

        var parts = new StoredTensor[paths.Count];
        for (int i = 0; i < parts.Length; i++)
        {
            parts[i] = (files[i] ??= Open(paths[i])).Find(name) ?? throw new CheckpointException($"{paths[i]}: tensor {name} is missing");
        }

        return parts;
    }

    /// <inheritdoc/>
    protected override void CloseFiles()
    {
        foreach (TorchFile? file in files) file?.Dispose();
    }

    /// <summary>Tables of the rotary embedding, which is computed from the configuration, and what lies beside the language model.</summary>
    private static bool IsIgnored(string name) =>
        name.EndsWith("rope.freqs", StringComparison.Ordinal)
        || !Array.Exists(["layers.", "tok_embeddings.", "norm.", "output."], part => name.StartsWith(part, StringComparison.Ordinal));

    private TorchFile Open(string path)
    {
        var file = new TorchFile(path);
        try
        {
            check.RefuseOthers(path, file.Names);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }
}
