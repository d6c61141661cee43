"""The gateway as a process of its own (docs/decisions/gateway-process.md).

the node's side                          the child's side
gateway_process  starts it, keeps it     child      the process
call_server      answers what is handed  node_link  hands on, hears of blocks
read_server      answers raw reads       remote_engine, read_thread, child_desk
                               frames    what goes between them
"""

from node.gateway_process.gateway_process import GatewayProcess

__all__ = ["GatewayProcess"]
