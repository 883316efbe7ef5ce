// A chat on the console. The arguments are gRPC addresses of gateways, http://localhost:8081 without any; a line is a message, and the end
// of the input the end of the chat.
using Llama.Client;
using Microsoft.Extensions.AI;

string[] addresses = args.Length > 0 ? args : ["http://localhost:8081"];
using var client = new LlamaChatClient(new LlamaClientOptions
{
    Addresses = [.. addresses.Select(address => new Uri(address))],
    ApiKey = Environment.GetEnvironmentVariable("LLAMA_API_KEY"),
});

List<ChatMessage> messages = [];
while (true)
{
    Console.Write("> ");
    if (Console.ReadLine() is not { } line) break;
    messages.Add(new ChatMessage(ChatRole.User, line));
    List<ChatResponseUpdate> answer = [];
    try
    {
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(messages))
        {
            Console.Write(update.Text);
            answer.Add(update);
        }
    }
    catch (LlamaException exception)
    {
        Console.Error.WriteLine(exception.Message);
        return 1;
    }

    Console.WriteLine();
    messages.AddMessages(answer);
}

return 0;
