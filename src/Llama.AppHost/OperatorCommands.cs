using System.Net.Http.Json;
using System.Text.Json;

namespace Llama.AppHost;

/// <summary>What operators ask of a cluster, as buttons of the dashboard: a gateway does it.</summary>
internal static class OperatorCommands
{
    /// <summary>What a command may take: the gateway's own deadline for a change.</summary>
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(15);

    /// <summary>Empties a silo, and lets it have layers again.</summary>
    /// <param name="resource">The silo.</param>
    /// <param name="client">A client of the gateway.</param>
    /// <param name="silo">The silo's name.</param>
    public static IResourceBuilder<ExecutableResource> WithDrain(
        this IResourceBuilder<ExecutableResource> resource, HttpClient client, string silo) => resource
        .WithCommand(
            "drain", "Drain", context => AskAsync(client, HttpMethod.Post, $"/cluster/drain/{silo}", context.CancellationToken),
            Options("Moves its layers and sequences to other silos", "ArrowExportUp"))
        .WithCommand(
            "take-back", "Take back", context => AskAsync(client, HttpMethod.Delete, $"/cluster/drain/{silo}", context.CancellationToken),
            Options("Lets it have layers again", "ArrowImport"));

    /// <summary>Divides the layers anew.</summary>
    /// <param name="resource">The gateway.</param>
    /// <param name="client">A client of the gateway.</param>
    public static IResourceBuilder<ExecutableResource> WithRebalance(
        this IResourceBuilder<ExecutableResource> resource, HttpClient client) => resource.WithCommand(
            "rebalance", "Rebalance", context => AskAsync(client, HttpMethod.Post, "/cluster/rebalance", context.CancellationToken),
            Options("Divides the layers anew over the silos that are there", "ArrowSync"));

    private static CommandOptions Options(string description, string icon) => new()
    {
        Description = description,
        IconName = icon,
        IsHighlighted = true,
        UpdateState = context => context.ResourceSnapshot.State?.Text == KnownResourceStates.Running
            ? ResourceCommandState.Enabled
            : ResourceCommandState.Disabled,
    };

    private static async Task<ExecuteCommandResult> AskAsync(
        HttpClient client, HttpMethod method, string path, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(Deadline);
        try
        {
            using var request = new HttpRequestMessage(method, new Uri(path, UriKind.Relative));
            using HttpResponseMessage response = await client.SendAsync(request, deadline.Token).ConfigureAwait(false);
            if (response.IsSuccessStatusCode)
                return CommandResults.Success();
            JsonElement answer = await response.Content.ReadFromJsonAsync<JsonElement>(deadline.Token).ConfigureAwait(false);
            return CommandResults.Failure(answer.GetProperty("error").GetProperty("message").GetString() ?? $"{response.StatusCode}");
        }
        catch (Exception exception) when (exception is HttpRequestException or JsonException or KeyNotFoundException or InvalidOperationException)
        {
            return CommandResults.Failure($"The gateway did not do it: {exception.Message}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return CommandResults.Failure($"The gateway has not done it within {Deadline.TotalMinutes:0} minutes.");
        }
    }
}
