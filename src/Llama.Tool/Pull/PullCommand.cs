using System.Net.Http.Headers;
using Llama.Model.Checkpoints.Copying;

namespace Llama.Tool.Pull;

/// <summary><c>llama pull</c>: brings a model, or the layers of one silo, from a hub.</summary>
internal static class PullCommand
{
    /// <summary>Runs the command.</summary>
    /// <param name="options">What to bring where.</param>
    /// <param name="display">Shows how far it is.</param>
    /// <param name="cancellationToken">Interrupts it; the same command goes on.</param>
    public static void Run(PullOptions options, ProgressDisplay display, CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = new Uri(options.Hub.TrimEnd('/') + "/"), Timeout = Timeout.InfiniteTimeSpan };
        if (Environment.GetEnvironmentVariable("HF_TOKEN") is { Length: > 0 } token) http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        http.DefaultRequestHeaders.UserAgent.ParseAdd("llama-tool");
        var hub = new Hub(http, TimeProvider.System);
        string folder = options.Out ?? options.Name.Split('/')[1];
        CopySummary summary = display.Show(progress => Pull(hub, options, folder, new PieceProgress(progress), cancellationToken));
        display.Say(CopyCommand.Say(summary, options.Layers, folder));
    }

    private static CopySummary Pull(
        Hub hub, PullOptions options, string folder, IProgress<CopyProgress> progress, CancellationToken cancellationToken)
    {
        HubModel model = hub.Describe(options.Name, options.Revision, cancellationToken);
        IReadOnlyList<HubFile> weights = model.Weights(options.File);
        Directory.CreateDirectory(folder);
        foreach (HubFile file in model.Small(weights)) BringSmall(hub, model, file, Path.Combine(folder, file.Name), cancellationToken);
        (int first, int? end) = LayerRange.Parse(options.Layers);
        return CheckpointPull.Pull([.. weights.Select(file => hub.Pieces(model, file))], first, end, folder, progress, cancellationToken);
    }

    private static void BringSmall(Hub hub, HubModel model, HubFile file, string target, CancellationToken cancellationToken)
    {
        if (File.Exists(target) && new FileInfo(target).Length == file.Bytes && Hub.IsWhole(file, File.ReadAllBytes(target))) return;
        File.WriteAllBytes(target + ".part", hub.Download(model, file, cancellationToken));
        File.Move(target + ".part", target, overwrite: true);
    }
}
