"""IBKR's gateway, run for the user: started, stopped, looked at, signed in to."""

from exchanges.ibkr.gateway_process.exposure import Exposure, port_exposure
from exchanges.ibkr.gateway_process.java import Java, find_java
from exchanges.ibkr.gateway_process.start import start_gateway
from exchanges.ibkr.gateway_process.status import GatewayStatus, gateway_status
from exchanges.ibkr.gateway_process.stop import Stopped, stop_gateway

__all__ = [
    "Exposure",
    "GatewayStatus",
    "Java",
    "Stopped",
    "find_java",
    "gateway_status",
    "port_exposure",
    "start_gateway",
    "stop_gateway",
]
